#pragma once

#include <memory>

#include "scanmf/data/data_source.hpp"

namespace scanmf::data {

/// Sparse rows that are handed out as dense ones, some tiles at a time: where X is dense enough for the dense kernels
/// to be faster, but not held dense, because that does not fit. The tiles are those of dense X already
/// (LoadOptions::dense_tiles), so that results have the same bits as with X held dense.
template <Scalar T>
std::unique_ptr<DataSource<T>> densified_source(std::unique_ptr<DataSource<T>> sparse);

}  // namespace scanmf::data
