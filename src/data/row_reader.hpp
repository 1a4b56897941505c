#pragma once

#include <memory>

#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Reads a dense matrix piece by piece, as its file has it: without validation, without packing. Local.
template <Scalar T>
class RowReader {
 public:
  explicit RowReader(const MatrixDescription& description);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  /// At most `most` rows, at least one: whole chunks of the file if it can be, so that none is inflated for two pieces.
  Index rows_at_a_time(Index most) const;
  /// Throws Error that names the rows.
  void read(Range rows, T* to) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scanmf::data
