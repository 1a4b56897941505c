#pragma once

#include "data/packing.hpp"
#include "io/hdf5.hpp"

namespace scanmf::data {

/// Reads rows of a dense dataset through the HDF5 library, whatever its type, layout and filters. Local.
template <Scalar T>
class DenseReader {
 public:
  /// piece_bytes: the most memory that it takes beside the packed rows, if a chunk fits.
  DenseReader(const hdf5::Dataset& dataset, Index piece_bytes) : dataset_(&dataset), piece_bytes_(piece_bytes) {}

  /// Reads rows [rows.begin, rows.end) into the block from its row `first_row` on.
  void read(Range rows, const PackedRows<T>& to, Index first_row);

 private:
  const hdf5::Dataset* dataset_;
  Index piece_bytes_;
  Buffer<T> piece_;
};

}  // namespace scanmf::data
