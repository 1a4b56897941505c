#pragma once

#include <string>
#include <vector>

#include "formats/input_reader.hpp"
#include "io/number_type.hpp"

namespace scanmf::formats {

/// What a .npy file, or a member of an .npz archive, says of its array.
struct NpyHeader {
  std::string descr;  // numpy's name of the type: "<f8"
  bool fortran = false;
  std::vector<Index> dimensions;
  Index elements = 1;
};

/// Reads from the beginning; the elements follow. Throws Error when the file is shorter than it says.
NpyHeader read_npy_header(InputReader& file);

/// Elements of an array, decoded: float16 becomes float32, long double (x87) float64, bool uint8; in this machine's
/// byte order.
class NpyElements {
 public:
  /// Throws Error, with the type's name, for what are no real numbers.
  NpyElements(InputReader& file, const NpyHeader& header);
  hdf5::NumberType type() const { return type_; }
  /// The next `count` elements.
  std::vector<char> read(Index count);

 private:
  enum class Encoding { plain, boolean, half, x87 };
  std::vector<char> decoded(std::vector<char> raw, Index count) const;

  InputReader& file_;
  hdf5::NumberType type_ = hdf5::NumberType::float64;
  Encoding encoding_ = Encoding::plain;
  Index bytes_ = 0;  // of an element in the file
  bool swapped_ = false;
};

}  // namespace scanmf::formats
