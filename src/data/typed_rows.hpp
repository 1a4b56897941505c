#pragma once

#include <memory>
#include <vector>

#include "io/number_type.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Reads a dense matrix of HDF5 piece by piece, as it lies in its file: elements keep their type. Local.
class TypedRows {
 public:
  explicit TypedRows(const MatrixDescription& description);
  ~TypedRows();
  TypedRows(const TypedRows&) = delete;
  TypedRows& operator=(const TypedRows&) = delete;

  /// float16 becomes float32, bool uint8: 0, 1, 2 where it is R's NA, 255 where it is neither.
  hdf5::NumberType type() const;
  /// About `wanted` rows: whole chunks of the file, so that none is inflated for two pieces.
  Index rows_at_a_time(Index wanted) const;
  std::vector<char> read(Range rows) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scanmf::data
