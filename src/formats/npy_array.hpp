#pragma once

#include <vector>

#include "data/npy.hpp"
#include "formats/input_reader.hpp"
#include "io/number_type.hpp"

namespace scanmf::formats {

using data::NpyHeader;

/// Reads from the beginning; the elements follow.
NpyHeader read_npy_header(InputReader& file);

/// Elements of an array, decoded: float16 becomes float32, long double float64, bool uint8; in this machine's byte
/// order.
class NpyElements {
 public:
  /// Throws Error, with the type's name, for what are no real numbers, and when the file cannot be long enough.
  NpyElements(InputReader& file, const NpyHeader& header);
  hdf5::NumberType type() const { return type_; }
  /// The next `count` elements.
  std::vector<char> read(Index count);

 private:
  void refuse_no_booleans(const std::vector<char>& elements) const;

  InputReader& file_;
  io::RawType raw_;  // in the file
  bool boolean_;
  bool two_dimensional_;
  bool fortran_;
  Index length_;    // of a row; in Fortran order of a column
  Index done_ = 0;  // elements
  hdf5::NumberType type_;
};

}  // namespace scanmf::formats
