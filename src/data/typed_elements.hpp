#pragma once

#include <cstdint>

#include "data/half.hpp"
#include "scanmf/data/rows_in_memory.hpp"

namespace scanmf::data {

/// Calls body.template operator()<Element>() with the C++ type that `type` stands for.
template <class Body>
auto with_element_type(ElementType type, Body&& body) {
  switch (type) {
    case ElementType::int8:
      return body.template operator()<std::int8_t>();
    case ElementType::int16:
      return body.template operator()<std::int16_t>();
    case ElementType::int32:
      return body.template operator()<std::int32_t>();
    case ElementType::int64:
      return body.template operator()<std::int64_t>();
    case ElementType::uint8:
      return body.template operator()<std::uint8_t>();
    case ElementType::uint16:
      return body.template operator()<std::uint16_t>();
    case ElementType::uint32:
      return body.template operator()<std::uint32_t>();
    case ElementType::uint64:
      return body.template operator()<std::uint64_t>();
    case ElementType::float16:
      return body.template operator()<Half>();
    case ElementType::float32:
      return body.template operator()<float>();
    default:
      return body.template operator()<double>();
  }
}

}  // namespace scanmf::data
