#pragma once

#include <gtest/gtest.h>

#include <string>

#include "scanmf/core/error.hpp"

namespace scanmf::test {

/// The message of the error of this kind that `work` throws.
template <class Kind = Error, class F>
std::string message_of(F&& work) {
  try {
    work();
  } catch (const Kind& error) {
    return error.what();
  }
  return "no error";
}

inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in '" << text << "'";
}

}  // namespace scanmf::test
