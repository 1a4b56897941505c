#pragma once

#include <vector>

#include "io/raw_type.hpp"
#include "scanmf/core/types.hpp"

namespace scanmf::hdf5 {

/// Every type of number that matrix files commonly hold, in this machine's byte order.
enum class NumberType { int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64 };

/// The type that holds numbers of so many bytes: of float16 float32, of integers of three bytes int32, …
constexpr NumberType number_type(io::RawType::Kind kind, Index bytes) {
  using enum NumberType;
  if (kind == io::RawType::Kind::floating) return bytes <= 4 ? float32 : float64;
  constexpr NumberType with_sign[] = {int8, int16, int32, int64};
  constexpr NumberType without[] = {uint8, uint16, uint32, uint64};
  const int size = bytes == 1 ? 0 : bytes == 2 ? 1 : bytes <= 4 ? 2 : 3;
  return kind == io::RawType::Kind::signed_integer ? with_sign[size] : without[size];
}

/// Bytes of one element.
Index size_of(NumberType type);

/// How a dataset that is written part by part lies in the file.
struct NumberLayout {
  std::vector<Index> chunk;  // one length a dimension; empty: contiguous
  int gzip = 0;              // level 1 to 9 of chunks, 0: not compressed
  bool growing = false;      // the first dimension is extended as rows are written; needs chunks
};

}  // namespace scanmf::hdf5
