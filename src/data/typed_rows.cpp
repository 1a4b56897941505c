#include "data/typed_rows.hpp"

#include <algorithm>
#include <cstring>

#include "io/dataset_storage.hpp"
#include "io/hdf5.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

hdf5::NumberType type_of(const hdf5::ElementType& type) {
  using Kind = io::RawType::Kind;
  if (type.kind == hdf5::ElementClass::boolean) return hdf5::NumberType::uint8;
  const Kind kind = type.kind == hdf5::ElementClass::floating ? Kind::floating
                    : type.is_signed                          ? Kind::signed_integer
                                                              : Kind::unsigned_integer;
  return hdf5::number_type(kind, type.bytes);
}

template <class T>
std::vector<char> read_as(const hdf5::Dataset& dataset, Range rows) {
  std::vector<char> elements(static_cast<std::size_t>(rows.size() * dataset.row_elements()) * sizeof(T));
  dataset.read_rows(rows, reinterpret_cast<T*>(elements.data()));
  return elements;
}

/// Numbers that were read as Index, in the type that the file has, which holds all of them.
template <class T>
std::vector<char> narrowed(const std::vector<char>& wide) {
  std::vector<char> result(wide.size() / sizeof(Index) * sizeof(T));
  for (std::size_t i = 0; i < wide.size() / sizeof(Index); ++i) {
    Index value = 0;
    std::memcpy(&value, wide.data() + i * sizeof(Index), sizeof value);
    const T narrow = static_cast<T>(value);
    std::memcpy(result.data() + i * sizeof(T), &narrow, sizeof narrow);
  }
  return result;
}

/// HDF5 makes 0 of −1, which is no boolean: it becomes the largest byte, as do all others that are none.
std::vector<char> read_booleans(const hdf5::Dataset& dataset, Range rows) {
  const std::vector<char> wide = read_as<Index>(dataset, rows);
  std::vector<char> result(wide.size() / sizeof(Index));
  for (std::size_t i = 0; i < result.size(); ++i) {
    Index value = 0;
    std::memcpy(&value, wide.data() + i * sizeof(Index), sizeof value);
    constexpr Index not_available = 2;
    result[i] = static_cast<char>(value >= 0 && value <= not_available ? value : Index{255});
  }
  return result;
}

}  // namespace

struct TypedRows::State {
  explicit State(const MatrixDescription& description)
      : file(hdf5::File::open(description.file)),
        dataset(file.dataset(description.path)),
        type(type_of(dataset.type())) {
    if (const auto reason = hdf5::what_hinders_reading(dataset)) throw Error(*reason);
  }
  hdf5::File file;
  hdf5::Dataset dataset;
  hdf5::NumberType type;
};

TypedRows::TypedRows(const MatrixDescription& description) : state_(std::make_unique<State>(description)) {}
TypedRows::~TypedRows() = default;

hdf5::NumberType TypedRows::type() const { return state_->type; }

Index TypedRows::rows_at_a_time(Index wanted) const {
  const std::vector<Index>& chunk = state_->dataset.chunk();
  return chunk.empty() ? std::max<Index>(1, wanted) : std::max<Index>(1, wanted / chunk[0]) * chunk[0];
}

std::vector<char> TypedRows::read(Range rows) const {
  const hdf5::Dataset& dataset = state_->dataset;
  if (dataset.type().kind == hdf5::ElementClass::boolean) return read_booleans(dataset, rows);
  switch (state_->type) {
    case hdf5::NumberType::float32:
      return read_as<float>(dataset, rows);
    case hdf5::NumberType::float64:
      return read_as<double>(dataset, rows);
    case hdf5::NumberType::uint8:
      return read_as<unsigned char>(dataset, rows);
    case hdf5::NumberType::uint64:
      return read_as<std::uint64_t>(dataset, rows);
    case hdf5::NumberType::int32:
      return read_as<std::int32_t>(dataset, rows);
    case hdf5::NumberType::int64:
      return read_as<Index>(dataset, rows);
    case hdf5::NumberType::int8:
      return narrowed<std::int8_t>(read_as<Index>(dataset, rows));
    case hdf5::NumberType::int16:
      return narrowed<std::int16_t>(read_as<Index>(dataset, rows));
    case hdf5::NumberType::uint16:
      return narrowed<std::uint16_t>(read_as<Index>(dataset, rows));
    case hdf5::NumberType::uint32:
      break;
  }
  return narrowed<std::uint32_t>(read_as<Index>(dataset, rows));
}

}  // namespace scanmf::data
