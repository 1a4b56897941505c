#pragma once

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Calls body.template operator()<T>() with the type that `type` stands for.
template <class Body>
auto with_scalar(DataType type, Body&& body) {
  return type == DataType::float32 ? body.template operator()<float>() : body.template operator()<double>();
}

}  // namespace scanmf
