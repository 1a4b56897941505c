#pragma once

#include "data/packing.hpp"
#include "io/hdf5.hpp"

namespace scanmf::data {

/// The most memory that reading takes beside the packed rows, in bytes.
constexpr Index piece_bytes = Index{64} << 20;

/// Reads rows of a dense dataset through the HDF5 library, whatever its type, layout and filters. Local.
template <Scalar T>
class DenseReader {
 public:
  explicit DenseReader(const hdf5::Dataset& dataset) : dataset_(&dataset) {}

  /// Reads rows [rows.begin, rows.end) into the block from its row `first_row` on.
  void read(Range rows, const PackedRows<T>& to, Index first_row);

 private:
  const hdf5::Dataset* dataset_;
  Buffer<T> piece_;
};

}  // namespace scanmf::data
