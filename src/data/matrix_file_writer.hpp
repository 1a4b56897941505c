#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/number_type.hpp"
#include "scanmf/core/types.hpp"

namespace scanmf::hdf5 {
class File;
class NumberDataset;
}  // namespace scanmf::hdf5

namespace scanmf::data {

/// Room on disk for a file that HDF5 writes, reserved before: HDF5 does not recover from a full disk.
class DiskRoom;

/// A dense matrix of a MatrixFileWriter, written row by row in any order.
class DenseWriter {
 public:
  DenseWriter(hdf5::File& file, DiskRoom& room, const std::string& path, Shape shape, hdf5::NumberType type,
              const hdf5::NumberLayout& layout);
  DenseWriter(const DenseWriter&) = delete;
  DenseWriter& operator=(const DenseWriter&) = delete;
  ~DenseWriter();
  /// Rows [first, first + rows), elements of the matrix's own type.
  void write_rows(Index first, Index rows, const void* elements);
  /// Columns [first, first + columns) of all rows. For matrices that are not compressed.
  void write_columns(Index first, Index columns, const void* elements);

 private:
  DiskRoom& room_;
  Index row_bytes_;
  bool reserved_;
  std::unique_ptr<hdf5::NumberDataset> dataset_;
};

/// A sparse matrix of a MatrixFileWriter, written from its first row to its last: a group with data, indices and
/// indptr, as AnnData has it.
class CsrWriter {
 public:
  /// Throws Error when the shape has more columns than 32 bits can number.
  CsrWriter(hdf5::File& file, DiskRoom& room, const std::string& group, Shape shape, hdf5::NumberType values);
  CsrWriter(const CsrWriter&) = delete;
  CsrWriter& operator=(const CsrWriter&) = delete;
  ~CsrWriter();

  /// The next rows. lengths: non-zeros of each; values (of the type given) and columns of all of them, row after row,
  /// columns ascending within a row.
  void append_rows(const std::vector<Index>& lengths, const void* values, const std::vector<std::int32_t>& columns);

 private:
  DiskRoom& room_;
  Index value_bytes_;
  std::unique_ptr<hdf5::NumberDataset> data_;
  std::unique_ptr<hdf5::NumberDataset> indices_;
  std::unique_ptr<hdf5::NumberDataset> indptr_;
  Index stored_ = 0;
};

/// A file of matrices as describe_matrix reads them, of any size, written part by part by one process. It appears whole
/// or not at all: under a temporary name beside the target until commit(); without that (an exception) nothing remains.
/// All members are local. Errors: Error with the reason.
class MatrixFileWriter {
 public:
  explicit MatrixFileWriter(const std::string& target);
  ~MatrixFileWriter();
  MatrixFileWriter(const MatrixFileWriter&) = delete;
  MatrixFileWriter& operator=(const MatrixFileWriter&) = delete;

  /// A dense matrix at `path`; lives until commit().
  DenseWriter& dense(const std::string& path, Shape shape, hdf5::NumberType type,
                     const hdf5::NumberLayout& layout = {});
  /// A sparse one.
  CsrWriter& csr(const std::string& path, Shape shape, hdf5::NumberType values);
  /// obs/_index and var/_index; empty ones are left out.
  void names(const std::vector<std::string>& rows, const std::vector<std::string>& columns);

  void commit();

 private:
  /// Removes what is not committed.
  void discard();
  void table(const std::string& group, const std::vector<std::string>& names);

  std::string target_;
  std::string temporary_;
  std::unique_ptr<hdf5::File> file_;
  std::unique_ptr<DiskRoom> room_;
  std::vector<std::unique_ptr<DenseWriter>> dense_;
  std::vector<std::unique_ptr<CsrWriter>> csr_;
};

}  // namespace scanmf::data
