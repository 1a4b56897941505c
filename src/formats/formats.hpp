#pragma once

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/matrix_file_writer.hpp"
#include "scanmf/core/types.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::formats {

/// How delimited text is to be read. What is not said is found out (text_grammar.md has the rules).
struct TextOptions {
  std::optional<bool> header;        // the first line names the columns
  std::optional<bool> row_names;     // the first field of each line names the row
  std::optional<char> delimiter;     // ' ': blanks and tabs
  std::optional<char> decimal;       // '.' or ','
  std::vector<std::string> missing;  // fields that mean NaN, beside the usual ones
};

/// What the user wants of an import.
struct ImportOptions {
  std::optional<DataType> dtype;  // type of the elements; not given: that of the file
  std::optional<bool> transpose;  // not given: where the file says that its columns are the samples (10x folders)
  bool allow_missing = false;     // NaN may be written
  TextOptions text;
  std::string feature_type;            // of 10x folders: rows of the file that are kept; empty: all
  std::vector<std::string> row_names;  // of X as it is written, in place of the file's; empty: the file's
  std::vector<std::string> feature_names;
  Index memory = Index{1} << 30;                        // for what is held at a time, where a matrix is turned round
  Index most_held = std::numeric_limits<Index>::max();  // of what has to be held at once: sparse matrices
};

/// What was written, for people.
struct Imported {
  Shape shape;
  std::optional<Index> stored;  // non-zeros of a sparse matrix
};

enum class Format { idx, npy, npz, matrix_market, text, triplets, hdf5 };

/// FILE and NAME of "FILE:NAME" where there is no file of the whole name; else NAME is empty.
std::pair<std::string, std::string> split_member(const std::string& input);

/// The format by the first bytes (never triplets, which a table of three columns may look like), or else by the name.
/// Throws Error, with its name where it is a known one that is not read.
Format recognise(const std::string& input);

// Each reads files of one format and writes /X (and names) into `out`, keeping the type of the elements unless
// options.dtype says another one, in memory that does not grow with a dense matrix. Local. Errors name the file and
// where in it. NaN is refused unless options.allow_missing says otherwise, infinite numbers always.

/// IDX, the format of MNIST: arrays of images, one after the other; each becomes a row of its pixels.
Imported import_idx(const std::vector<std::string>& files, data::MatrixFileWriter& out, const ImportOptions& options);
/// One 2-D array of numpy.save, in C or Fortran order.
Imported import_npy(const std::string& file, data::MatrixFileWriter& out, const ImportOptions& options);
/// An array of numpy.savez ("FILE.npz:NAME" where there are several) or a matrix of scipy.sparse.save_npz.
Imported import_npz(const std::string& file, data::MatrixFileWriter& out, const ImportOptions& options);
/// Matrix Market: coordinate (becomes CSR) or array (dense); real, integer or pattern; general or symmetric. A folder
/// of 10x Genomics, or the matrix in it: with the names that lie beside.
Imported import_matrix_market(const std::string& file, data::MatrixFileWriter& out, const ImportOptions& options);
/// Numbers separated by commas, semicolons, tabs, bars or blanks; with or without a line of column names and a column
/// of row names.
Imported import_text(const std::string& file, data::MatrixFileWriter& out, const ImportOptions& options);
/// A row, a column and a value in each line of a text, by names: becomes CSR. Rows and columns are in the order in
/// which their names come first, or in that of options.row_names and options.feature_names, beside which there are
/// none.
Imported import_triplets(const std::string& file, data::MatrixFileWriter& out, const ImportOptions& options);
/// A matrix in HDF5 that becomes another one: CSC to CSR, transposed, of another type, with other names.
Imported import_hdf5(const MatrixDescription& description, data::MatrixFileWriter& out, const ImportOptions& options);

/// One name a line, plain or compressed by gzip.
std::vector<std::string> read_names(const std::string& file);

/// Names into the file: those of the options, else those given. Throws Error when there are not as many as rows or
/// columns of X.
void write_names(data::MatrixFileWriter& out, Shape shape, const ImportOptions& options,
                 const std::vector<std::string>& row_names, const std::vector<std::string>& feature_names);

}  // namespace scanmf::formats
