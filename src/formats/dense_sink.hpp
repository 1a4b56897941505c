#pragma once

#include "formats/formats.hpp"

namespace scanmf::formats {

enum class LinesAre { rows, columns };

/// Dataset /X that is filled line by line as a file has them: its rows (C order) or its columns (Fortran order).
/// Converted to options.dtype on the way, transposed where options.transpose says so, and looked through for numbers
/// that must not be there.
class DenseSink {
 public:
  /// lines × length: the elements as the file has them, of `type`. `source`: the file, for messages.
  DenseSink(data::MatrixFileWriter& out, const std::string& source, Shape lines, hdf5::NumberType type,
            const ImportOptions& options, LinesAre lines_are = LinesAre::rows);
  /// The next lines.
  void append(Index lines, const void* elements);
  /// Lines that make good pieces: about 64 MB, or what the memory allows where they become columns.
  Index piece_lines() const;
  /// Of X.
  Shape shape() const { return as_columns_ ? Shape{lines_.columns, lines_.rows} : lines_; }

 private:
  void refuse_not_finite(Index lines, const void* elements) const;
  template <class T>
  void refuse_not_finite(Index lines, const T* elements) const;
  void write(Index lines, const void* elements);

  std::string source_;
  Shape lines_;
  hdf5::NumberType type_;
  hdf5::NumberType stored_;
  bool allow_missing_;
  bool as_columns_;
  Index memory_;
  data::DenseWriter* dataset_ = nullptr;
  Index done_ = 0;
};

/// `count` elements from one type to another.
std::vector<char> converted(hdf5::NumberType from, hdf5::NumberType to, const void* elements, Index count);

/// Calls body.template operator()<T>() with the C++ type that `type` stands for.
template <class Body>
auto with_number(hdf5::NumberType type, Body&& body) {
  using enum hdf5::NumberType;
  switch (type) {
    case int8:
      return body.template operator()<std::int8_t>();
    case int16:
      return body.template operator()<std::int16_t>();
    case int32:
      return body.template operator()<std::int32_t>();
    case int64:
      return body.template operator()<std::int64_t>();
    case uint8:
      return body.template operator()<std::uint8_t>();
    case uint16:
      return body.template operator()<std::uint16_t>();
    case uint32:
      return body.template operator()<std::uint32_t>();
    case uint64:
      return body.template operator()<std::uint64_t>();
    case float32:
      return body.template operator()<float>();
    case float64:
      break;
  }
  return body.template operator()<double>();
}

template <class T>
constexpr hdf5::NumberType number_type_of() {
  using Kind = io::RawType::Kind;
  constexpr Kind kind = std::is_floating_point_v<T> ? Kind::floating
                        : std::is_signed_v<T>       ? Kind::signed_integer
                                                    : Kind::unsigned_integer;
  return hdf5::number_type(kind, static_cast<Index>(sizeof(T)));
}

/// The type that is written: options.dtype, else the file's own.
hdf5::NumberType stored_type(hdf5::NumberType own, const ImportOptions& options);

}  // namespace scanmf::formats
