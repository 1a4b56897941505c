#include "formats/npy_array.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/checked.hpp"
#include "data/element_conversion.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

template <class T>
std::vector<char> decoded(const io::RawType& raw, const std::vector<char>& elements, Index count) {
  std::vector<char> result(static_cast<std::size_t>(count) * sizeof(T));
  data::conversion_from<T>(raw)(reinterpret_cast<const std::byte*>(elements.data()), count,
                                reinterpret_cast<T*>(result.data()));
  return result;
}

}  // namespace

NpyHeader read_npy_header(InputReader& file) {
  file.rewind();
  return data::read_npy_header(file.name(), [&](void* to, Index bytes) { file.read_exactly(to, bytes, "its header"); });
}

NpyElements::NpyElements(InputReader& file, const NpyHeader& header)
    : file_(file),
      raw_(data::npy_type(header, file.name()).raw),
      boolean_(header.descr.ends_with("b1")),
      two_dimensional_(header.dimensions.size() == 2),
      fortran_(header.fortran),
      length_(two_dimensional_ ? std::max<Index>(1, header.dimensions[fortran_ ? 0 : 1]) : 1),
      type_(hdf5::number_type(raw_.kind, raw_.bytes)) {
  if (!file.could_hold(checked_product({header.elements, raw_.bytes})))
    throw Error(fmt::format("'{}' is cut short, or states more elements than it can hold: {} of {} bytes", file.name(),
                            header.elements, raw_.bytes));
}

std::vector<char> NpyElements::read(Index count) {
  std::vector<char> elements(static_cast<std::size_t>(count * raw_.bytes));
  file_.read_exactly(elements.data(), count * raw_.bytes, "its elements");
  if (boolean_) refuse_no_booleans(elements);
  done_ += count;
  if (raw_.bytes == hdf5::size_of(type_)) {
    if (raw_.swapped) swap_bytes(elements.data(), count, raw_.bytes);
    return elements;
  }
  try {
    return raw_.bytes < 4 ? decoded<float>(raw_, elements, count) : decoded<double>(raw_, elements, count);
  } catch (const Error& error) {
    throw Error(fmt::format("'{}' holds {}", file_.name(), error.what()));
  }
}

void NpyElements::refuse_no_booleans(const std::vector<char>& elements) const {
  const auto is_none = [](char byte) { return byte != 0 && byte != 1; };
  const auto found = std::ranges::find_if(elements, is_none);
  if (found == elements.end()) return;
  const Index number = done_ + (found - elements.begin());
  const Index row = fortran_ ? number % length_ : number / length_;
  const Index column = fortran_ ? number / length_ : number % length_;
  throw Error(fmt::format("'{}' holds booleans that are neither 0 nor 1 ({}{}, counted from 0)", file_.name(),
                          two_dimensional_ ? fmt::format("row {}, column ", row) : "element ",
                          two_dimensional_ ? column : number));
}

}  // namespace scanmf::formats
