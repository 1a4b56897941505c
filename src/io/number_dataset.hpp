#pragma once

#include <string>
#include <vector>

#include "io/hdf5.hpp"
#include "io/number_type.hpp"
#include "scanmf/core/types.hpp"

namespace scanmf::hdf5 {

/// A dataset of numbers of any type that is written row by row (a row: everything behind the first dimension).
class NumberDataset {
 public:
  NumberDataset(File& file, const std::string& path, NumberType type, const std::vector<Index>& dimensions,
                const NumberLayout& layout = {});

  /// Rows [first, first + rows) from elements of the dataset's own type. A growing dataset is extended to hold them.
  void write_rows(Index first, Index rows, const void* elements);
  /// 2-D datasets: columns [first, first + columns) of all rows.
  void write_columns(Index first, Index columns, const void* elements);
  /// Rows behind the last row of a growing dataset.
  void append(Index rows, const void* elements) { write_rows(rows_, rows, elements); }

  Index rows() const { return rows_; }

 private:
  void write_part(const std::vector<Index>& first, const std::vector<Index>& count, const void* elements);

  DatasetHandle handle_;
  std::string place_;
  NumberType type_;
  std::vector<Index> dimensions_;
  bool growing_;
  Index rows_ = 0;  // of the dataset as it is now
};

}  // namespace scanmf::hdf5
