#include "formats/npy_array.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/checked.hpp"
#include "data/element_conversion.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

hdf5::NumberType decoded_type(const io::RawType& raw) {
  using enum hdf5::NumberType;
  if (raw.kind == io::RawType::Kind::floating) return raw.bytes <= 4 ? float32 : float64;
  const hdf5::NumberType with_sign[] = {int8, int16, int32, int64};
  const hdf5::NumberType without[] = {uint8, uint16, uint32, uint64};
  const std::size_t size = raw.bytes == 1 ? 0 : raw.bytes == 2 ? 1 : raw.bytes == 4 ? 2 : 3;
  return raw.kind == io::RawType::Kind::signed_integer ? with_sign[size] : without[size];
}

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
      type_(decoded_type(raw_)) {
  if (!file.could_hold(checked_product({header.elements, raw_.bytes})))
    throw Error(fmt::format("'{}' is cut short, or states more elements than it can hold: {} of {} bytes", file.name(),
                            header.elements, raw_.bytes));
}

std::vector<char> NpyElements::read(Index count) {
  std::vector<char> elements(static_cast<std::size_t>(count * raw_.bytes));
  file_.read_exactly(elements.data(), count * raw_.bytes, "its elements");
  const auto is_boolean = [](char byte) { return byte == 0 || byte == 1; };
  if (boolean_ && !std::ranges::all_of(elements, is_boolean))
    throw Error(
        fmt::format("'{}' is no proper .npy file: its booleans are to be 0 or 1, and one is not", file_.name()));
  if (raw_.bytes == hdf5::size_of(type_)) {
    if (raw_.swapped) swap_bytes(elements.data(), count, raw_.bytes);
    return elements;
  }
  return raw_.bytes < 4 ? decoded<float>(raw_, elements, count) : decoded<double>(raw_, elements, count);
}

}  // namespace scanmf::formats
