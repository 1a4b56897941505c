#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/raw_type.hpp"
#include "scanmf/core/types.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// What a file of numpy.save, or a member of an .npz archive, says of its array:
///
///     \x93NUMPY 1 0 <length> {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } \n | elements
///
struct NpyHeader {
  std::string descr;     // numpy's name of the type: "<f4"; empty: records with fields
  bool fortran = false;  // columns lie one after the other
  std::vector<Index> dimensions;
  Index elements = 1;
  Index begin = 0;  // byte of the first element
};

/// Reads the header from the beginning of a file. name: for messages; read_exactly(to, bytes): the next bytes, throws
/// when there are fewer. Throws Error for what is no header.
NpyHeader read_npy_header(const std::string& name, const std::function<void(void*, Index)>& read_exactly);

/// The type of the elements. Throws Error, with what they are, unless they are integers or real numbers.
struct NpyType {
  io::RawType raw;
  std::string name;  // for people: "float32", "int64 (big-endian)", "bool"
  bool booleans = false;
};
NpyType npy_type(const NpyHeader& header, const std::string& name);

/// Rows and columns. Throws Error for an array of other than two dimensions.
Shape npy_shape(const NpyHeader& header, const std::string& name);

/// A file that holds a matrix.
struct NpyMatrix {
  io::RawType type;
  std::string type_name;
  bool booleans = false;
  bool fortran = false;
  Shape shape;
  Index begin = 0;
  bool goes_on = false;  // more bytes than the elements of the matrix
};

/// Local. True for a file that begins as those of numpy.save do; false also when it cannot be read.
bool is_npy(const std::string& file);
/// Local. What the header of a file says of the matrix in it; the file must be as long as that.
NpyMatrix read_npy_matrix(const std::string& file);
/// Local. The array as X.
MatrixDescription describe_npy(const std::string& file);

}  // namespace scanmf::data
