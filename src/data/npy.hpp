#pragma once

#include <functional>
#include <string>

#include "io/raw_type.hpp"
#include "scanmf/core/types.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// What a file of numpy.save says of its array, which has two dimensions:
///
///     \x93NUMPY 1 0 <length> {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } \n | elements
///
struct NpyHeader {
  io::RawType type;
  std::string type_name;  // for people: "float32", "int64 (big-endian)", "bool"
  bool fortran = false;   // columns lie one after the other
  Shape shape;
  Index begin = 0;  // byte of the first element
};

/// Reads the header from the beginning of a file. name: for messages; read_exactly(to, bytes): the next bytes, throws
/// when there are fewer. Throws Error for what is no 2-D array of integers or real numbers.
NpyHeader read_npy_header(const std::string& name, const std::function<void(void*, Index)>& read_exactly);

/// Local. True for a file that begins as those of numpy.save do; false also when it cannot be read.
bool is_npy(const std::string& file);
/// Local. The header of a file, which must be as long as it says.
NpyHeader read_npy_header(const std::string& file);
/// Local. The array as X.
MatrixDescription describe_npy(const std::string& file);

}  // namespace scanmf::data
