#pragma once

#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf::hdf5 {

/// Every type of number that matrix files commonly hold, in this machine's byte order.
enum class NumberType { int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64 };

/// Bytes of one element.
Index size_of(NumberType type);

/// How a dataset that is written part by part lies in the file.
struct NumberLayout {
  std::vector<Index> chunk;  // one length a dimension; empty: contiguous
  int gzip = 0;              // level 1 to 9 of chunks, 0: not compressed
  bool growing = false;      // the first dimension is extended as rows are written; needs chunks
};

}  // namespace scanmf::hdf5
