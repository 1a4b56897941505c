#pragma once

#include <string>

#include "scanmf/core/error.hpp"

namespace scanmf::test {

/// The message of the Error that `work` throws.
template <class F>
std::string message_of(F&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace scanmf::test
