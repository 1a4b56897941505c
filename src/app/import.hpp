#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/matrix_file_writer.hpp"
#include "scanmf/core/types.hpp"

namespace scanmf::app {

/// What was written, for people.
struct Imported {
  Shape shape;
  std::optional<Index> stored;  // non-zeros of a sparse matrix
};

// Each reads files of one format and writes /X (and names) into `out`, keeping the type of the elements unless `dtype` says another one, in memory
// that does not grow with a dense matrix. Local. Errors name the file and where in it.

/// IDX, the format of MNIST: arrays of images, one after the other; each becomes a row of its pixels.
Imported import_idx(const std::vector<std::string>& files, data::MatrixFileWriter& out, std::optional<DataType> dtype);
/// One 2-D array of numpy.save, in C or Fortran order.
Imported import_npy(const std::string& file, data::MatrixFileWriter& out, std::optional<DataType> dtype);
/// Matrix Market: coordinate (becomes CSR) or array (dense); real, integer or pattern; general or symmetric.
Imported import_matrix_market(const std::string& file, data::MatrixFileWriter& out, std::optional<DataType> dtype);
/// Numbers separated by commas, tabs, semicolons or blanks; with or without a line of column names and a column of row names.
Imported import_text(const std::string& file, data::MatrixFileWriter& out, std::optional<DataType> dtype);

/// Dataset /X that is filled from its first row on, converted to `dtype` on the way when one is given.
class DenseSink {
 public:
  DenseSink(data::MatrixFileWriter& out, Shape shape, hdf5::NumberType type, std::optional<DataType> dtype);
  /// The next rows, elements of the type given.
  void append(Index rows, const void* elements);
  /// Rows that make good pieces: about 64 MB.
  Index piece_rows() const;

 private:
  Shape shape_;
  hdf5::NumberType type_;
  std::optional<DataType> dtype_;
  data::DenseWriter& dataset_;
  Index done_ = 0;
};

}  // namespace scanmf::app
