#include "formats/dense_sink.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/checked.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

constexpr Index piece_bytes = Index{1} << 26;

/// rows × columns elements of `bytes` bytes, transposed: blocks that stay in the cache.
std::vector<char> transposed(const char* from, Index rows, Index columns, Index bytes) {
  constexpr Index block = 32;
  const auto size = static_cast<std::size_t>(bytes);
  std::vector<char> to(static_cast<std::size_t>(rows * columns * bytes));
  for (Index i0 = 0; i0 < rows; i0 += block) {
    for (Index j0 = 0; j0 < columns; j0 += block) {
      for (Index j = j0; j < std::min(j0 + block, columns); ++j)
        for (Index i = i0; i < std::min(i0 + block, rows); ++i)
          std::memcpy(to.data() + (j * rows + i) * bytes, from + (i * columns + j) * bytes, size);
    }
  }
  return to;
}

}  // namespace

std::vector<char> converted(hdf5::NumberType from, hdf5::NumberType to, const void* elements, Index count) {
  std::vector<char> result(static_cast<std::size_t>(count * hdf5::size_of(to)));
  with_number(from, [&]<class From>() {
    with_number(to, [&]<class To>() {
      const From* source = static_cast<const From*>(elements);
      To* target = reinterpret_cast<To*>(result.data());
      std::transform(source, source + count, target, [](From value) { return static_cast<To>(value); });
    });
  });
  return result;
}

hdf5::NumberType stored_type(hdf5::NumberType own, const ImportOptions& options) {
  if (!options.dtype) return own;
  return *options.dtype == DataType::float32 ? hdf5::NumberType::float32 : hdf5::NumberType::float64;
}

DenseSink::DenseSink(data::MatrixFileWriter& out, const std::string& source, Shape lines, hdf5::NumberType type,
                     const ImportOptions& options, LinesAre lines_are)
    : source_(source),
      lines_(lines),
      type_(type),
      stored_(stored_type(type, options)),
      allow_missing_(options.allow_missing),
      as_columns_((lines_are == LinesAre::columns) != options.transpose.value_or(false)),
      memory_(options.memory) {
  if (!checked_product({lines.rows, lines.columns, 8}))
    throw Error(fmt::format("'{}' states {} x {} elements: no file can hold them", source, lines.rows, lines.columns));
  if (shape().rows == 0) throw Error(fmt::format("'{}': Found array with 0 sample(s)", source));
  if (shape().columns == 0) throw Error(fmt::format("'{}': Found array with 0 feature(s)", source));
  dataset_ = &out.dense("/X", shape(), stored_);
}

void DenseSink::append(Index lines, const void* elements) {
  refuse_not_finite(lines, elements);
  if (stored_ == type_) {
    write(lines, elements);
  } else {
    const std::vector<char> now = converted(type_, stored_, elements, lines * lines_.columns);
    if (hdf5::size_of(stored_) < hdf5::size_of(type_)) {  // 1e300 becomes infinite in float32
      with_number(stored_, [&]<class T>() { refuse_not_finite(lines, reinterpret_cast<const T*>(now.data())); });
    }
    write(lines, now.data());
  }
  done_ += lines;
}

void DenseSink::write(Index lines, const void* elements) {
  if (!as_columns_) return dataset_->write_rows(done_, lines, elements);
  const std::vector<char> turned =
      transposed(static_cast<const char*>(elements), lines, lines_.columns, hdf5::size_of(stored_));
  dataset_->write_columns(done_, lines, turned.data());
}

void DenseSink::refuse_not_finite(Index lines, const void* elements) const {
  if (type_ == hdf5::NumberType::float32) refuse_not_finite(lines, static_cast<const float*>(elements));
  if (type_ == hdf5::NumberType::float64) refuse_not_finite(lines, static_cast<const double*>(elements));
}

template <class T>
void DenseSink::refuse_not_finite(Index lines, const T* elements) const {
  if constexpr (std::is_floating_point_v<T>) {
    const Index count = lines * lines_.columns;
    const auto bad = [this](T value) { return std::isinf(value) || (std::isnan(value) && !allow_missing_); };
    const T* found = std::find_if(elements, elements + count, bad);
    if (found == elements + count) return;
    const Index line = done_ + (found - elements) / lines_.columns;
    const Index place = (found - elements) % lines_.columns;
    throw Error(
        fmt::format("'{}' holds {} in row {}, column {} of X (counted from 0){}", source_,
                    std::isnan(*found) ? "NaN" : "an infinite number, or one too large for the type that is written,",
                    as_columns_ ? place : line, as_columns_ ? line : place,
                    std::isnan(*found) ? "; --allow-missing writes it" : ""));
  }
}

Index DenseSink::piece_lines() const {
  const Index bytes = std::max<Index>(1, lines_.columns * std::max(hdf5::size_of(type_), hdf5::size_of(stored_)));
  const Index most =
      as_columns_ ? std::max(piece_bytes, memory_ / 3) : piece_bytes;  // columns: the longer their pieces the better
  return std::clamp<Index>(most / bytes, 1, std::max<Index>(1, lines_.rows));
}

}  // namespace scanmf::formats
