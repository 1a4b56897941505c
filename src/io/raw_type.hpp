#pragma once

#include "scanmf/core/types.hpp"

namespace scanmf::io {

/// How the bytes of a number lie in a file, for types that plain C++ can read.
struct RawType {
  enum class Kind { floating, signed_integer, unsigned_integer };
  Kind kind = Kind::floating;
  Index bytes = 0;       // floating: 2, 4, 8 (IEEE 754), 16 (long double, as this machine has it)
  bool swapped = false;  // the other byte order than this machine's
};

}  // namespace scanmf::io
