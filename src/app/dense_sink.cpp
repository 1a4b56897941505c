#include <algorithm>
#include <cstdint>
#include <vector>

#include "app/import.hpp"

namespace scanmf::app {
namespace {

constexpr Index piece_bytes = Index{1} << 26;

hdf5::NumberType stored_type(hdf5::NumberType type, std::optional<DataType> dtype) {
  if (!dtype) return type;
  return *dtype == DataType::float32 ? hdf5::NumberType::float32 : hdf5::NumberType::float64;
}

template <class From, class To>
std::vector<To> converted(const void* elements, Index count) {
  const From* from = static_cast<const From*>(elements);
  return {from, from + count};
}

template <class To>
std::vector<To> converted(hdf5::NumberType type, const void* elements, Index count) {
  using enum hdf5::NumberType;
  switch (type) {
    case int8:
      return converted<std::int8_t, To>(elements, count);
    case int16:
      return converted<std::int16_t, To>(elements, count);
    case int32:
      return converted<std::int32_t, To>(elements, count);
    case int64:
      return converted<std::int64_t, To>(elements, count);
    case uint8:
      return converted<std::uint8_t, To>(elements, count);
    case uint16:
      return converted<std::uint16_t, To>(elements, count);
    case uint32:
      return converted<std::uint32_t, To>(elements, count);
    case uint64:
      return converted<std::uint64_t, To>(elements, count);
    case float32:
      return converted<float, To>(elements, count);
    case float64:
      break;
  }
  return converted<double, To>(elements, count);
}

}  // namespace

DenseSink::DenseSink(data::MatrixFileWriter& out, Shape shape, hdf5::NumberType type, std::optional<DataType> dtype)
    : shape_(shape), type_(type), dtype_(dtype), dataset_(out.dense("/X", shape, stored_type(type, dtype))) {}

void DenseSink::append(Index rows, const void* elements) {
  if (stored_type(type_, dtype_) == type_) {
    dataset_.write_rows(done_, rows, elements);
  } else if (*dtype_ == DataType::float32) {
    dataset_.write_rows(done_, rows, converted<float>(type_, elements, rows * shape_.columns).data());
  } else {
    dataset_.write_rows(done_, rows, converted<double>(type_, elements, rows * shape_.columns).data());
  }
  done_ += rows;
}

Index DenseSink::piece_rows() const {
  return std::clamp<Index>(piece_bytes / std::max<Index>(1, shape_.columns * hdf5::size_of(type_)), 1, std::max<Index>(1, shape_.rows));
}

}  // namespace scanmf::app
