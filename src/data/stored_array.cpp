#include "data/stored_array.hpp"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>

#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

constexpr Index direct_bytes = Index{128} << 10;  // stays in the cache between being read and being packed

Index chunk_elements(const std::vector<Index>& chunk) {
  Index elements = 1;
  for (const Index length : chunk) elements *= length;
  return elements;
}

}  // namespace

template <class T>
void Scratch<T>::Free::operator()(libdeflate_decompressor* decompressor) const {
  libdeflate_free_decompressor(decompressor);
}

StoredArray::StoredArray(hdf5::Dataset dataset, const std::string& file, Index piece_bytes)
    : dataset_(std::move(dataset)), rows_(dataset_.rows()), columns_(dataset_.row_elements()), type_(dataset_.raw_type()) {
  const std::optional<Index> offset = dataset_.file_offset();
  if (type_ && offset) {
    access_ = Access::direct;
    file_ = io::PosixFile::open_for_reading(file);
    offset_ = *offset;
  } else if (type_ && take_filters()) {
    access_ = Access::chunks;
  }
  choose_units(piece_bytes);
}

/// True for the filters that are undone here: shuffle, deflate, in this order, or none; remembers which.
bool StoredArray::take_filters() {
  if (dataset_.chunk().empty() || !dataset_.filters_every_chunk()) return false;
  unsigned number = 0;
  for (const hdf5::Filter& filter : dataset_.filters()) {
    if (filter.id == H5Z_FILTER_SHUFFLE && number == 0) {
      unshuffle_ = true;
      shuffle_filter_ = number;
    } else if (filter.id == H5Z_FILTER_DEFLATE && !inflate_) {
      inflate_ = true;
      inflate_filter_ = number;
    } else {
      return false;
    }
    ++number;
  }
  return true;
}

/// Units of the library are pieces of rows that end at chunks, so that a chunk is inflated as seldom as possible.
///
///   chunks of few rows:   whole rows, some chunks high        chunks of many rows:   one or more chunks wide
///     |===|===|===|                                             |===|   |   |
///     |===|===|===|                                             |===|   |   |
///     |   |   |   |                                             |   |   |   |
void StoredArray::choose_units(Index piece_bytes) {
  const Index element_bytes = std::max<Index>(1, dataset_.type().bytes);
  const bool chunked = !dataset_.chunk().empty();
  const Index chunk_rows = chunked ? dataset_.chunk()[0] : 1;
  const Index chunk_columns = chunked && dataset_.chunk().size() > 1 ? dataset_.chunk()[1] : 1;
  if (access_ == Access::chunks) {
    unit_rows_ = chunk_rows;
    unit_columns_ = chunk_columns;
    return;
  }
  const Index most = std::max<Index>(1, (access_ == Access::direct ? std::min(piece_bytes, direct_bytes) : piece_bytes) / element_bytes);
  const Index width = std::max<Index>(1, columns_);
  if (chunk_rows * width <= most) {
    unit_rows_ = most / (chunk_rows * width) * chunk_rows;
    unit_columns_ = width;
  } else {
    unit_rows_ = std::min(chunk_rows, std::max<Index>(1, most / chunk_columns));
    unit_columns_ = std::min(width, std::max<Index>(1, most / (unit_rows_ * chunk_columns)) * chunk_columns);
  }
}

template <class T>
MatrixView<const T> StoredArray::read(Range rows, Range columns, Scratch<T>& scratch) const {
  switch (access_) {
    case Access::direct:
      return read_direct(rows, columns, scratch);
    case Access::chunks:
      return read_chunk(rows, columns, scratch);
    default:
      return read_library(rows, columns, scratch);
  }
}

/// "cannot read rows 3 to 5 of FILE:/X: reason".
void StoredArray::refuse(Range rows, const std::string& reason) const {
  const char* const what = dataset_.dimensions().size() == 1 ? "elements" : "rows";
  throw Error(fmt::format("cannot read {} {} to {} of {}: {}", what, rows.begin, rows.end - 1, dataset_.place(), reason));
}

template <class T>
MatrixView<const T> StoredArray::read_direct(Range rows, Range columns, Scratch<T>& scratch) const {
  const Index row_bytes = columns.size() * type_->bytes;
  const auto bytes = static_cast<std::size_t>(rows.size() * row_bytes);
  std::byte* to = nullptr;
  if (is_native<T>(*type_)) {
    if (scratch.elements.size() < rows.size() * columns.size()) scratch.elements = Buffer<T>(rows.size() * columns.size());
    to = reinterpret_cast<std::byte*>(scratch.elements.data());
  } else {
    if (scratch.ordered.size() < bytes) scratch.ordered.resize(bytes);
    to = scratch.ordered.data();
  }
  try {
    if (columns.size() == columns_) {
      file_.read(offset_ + rows.begin * row_bytes, {to, bytes});
    } else {
      for (Index i = 0; i < rows.size(); ++i)
        file_.read(offset_ + ((rows.begin + i) * columns_ + columns.begin) * type_->bytes, {to + i * row_bytes, static_cast<std::size_t>(row_bytes)});
    }
  } catch (const Error& error) {
    refuse(rows, error.what());
  }
  if (is_native<T>(*type_)) return {scratch.elements.data(), rows.size(), columns.size()};
  return converted(to, rows.size(), columns.size(), columns.size(), scratch);
}

template <class T>
MatrixView<const T> StoredArray::read_chunk(Range rows, Range columns, Scratch<T>& scratch) const {
  const std::vector<Index>& chunk = dataset_.chunk();
  std::vector<Index> number = {rows.begin / chunk[0]};
  if (chunk.size() > 1) number.push_back(columns.begin / chunk[1]);
  const std::byte* elements = nullptr;
  if (cache_) {
    scratch.kept = cache_->find(number);
    std::call_once(scratch.kept->filled, [&] {
      std::vector<std::byte>* const plain = plain_bytes(number, rows, scratch);
      if (plain != nullptr) scratch.kept->bytes.swap(*plain);
    });
    if (!scratch.kept->bytes.empty()) elements = scratch.kept->bytes.data();
  } else if (const std::vector<std::byte>* const plain = plain_bytes(number, rows, scratch)) {
    elements = plain->data();
  }
  if (elements == nullptr) return read_library(rows, columns, scratch);  // the fill value
  const Index width = chunk.size() > 1 ? chunk[1] : 1;
  const Index first = (rows.begin - number[0] * chunk[0]) * width + (chunk.size() > 1 ? columns.begin - number[1] * width : 0);
  return converted(elements + first * type_->bytes, rows.size(), columns.size(), width, scratch);
}

/// A chunk with its filters undone, in scratch memory; nullptr when it was never written.
template <class T>
std::vector<std::byte>* StoredArray::plain_bytes(const std::vector<Index>& number, Range rows, Scratch<T>& scratch) const {
  dataset_.read_chunk(number, scratch.chunk);
  if (scratch.chunk.size == 0) return nullptr;
  const auto bytes = static_cast<std::size_t>(chunk_elements(dataset_.chunk()) * type_->bytes);
  std::vector<std::byte>* current = &scratch.chunk.bytes;
  auto size = static_cast<std::size_t>(scratch.chunk.size);
  if (inflate_ && (scratch.chunk.skipped_filters >> inflate_filter_ & 1U) == 0) {
    if (scratch.inflated.size() < bytes) scratch.inflated.resize(bytes);
    if (!scratch.decompressor) scratch.decompressor.reset(libdeflate_alloc_decompressor());
    std::size_t inflated = 0;
    const auto result = libdeflate_zlib_decompress(scratch.decompressor.get(), current->data(), size, scratch.inflated.data(), bytes, &inflated);
    if (result != LIBDEFLATE_SUCCESS) refuse(rows, "a chunk does not inflate; the file is damaged");
    current = &scratch.inflated;
    size = inflated;
    ++*inflated_;
  }
  if (size != bytes) refuse(rows, fmt::format("a chunk has {} bytes, not {}; the file is damaged", size, bytes));
  if (unshuffle_ && type_->bytes > 1 && (scratch.chunk.skipped_filters >> shuffle_filter_ & 1U) == 0) {
    if (scratch.ordered.size() < bytes) scratch.ordered.resize(bytes);
    unshuffle(current->data(), static_cast<Index>(bytes), type_->bytes, scratch.ordered.data());
    current = &scratch.ordered;
  }
  return current;
}

template <class T>
MatrixView<const T> StoredArray::read_library(Range rows, Range columns, Scratch<T>& scratch) const {
  if (scratch.elements.size() < rows.size() * columns.size()) scratch.elements = Buffer<T>(rows.size() * columns.size());
  if (dataset_.dimensions().size() == 1)
    dataset_.read_rows(rows, scratch.elements.data());
  else
    dataset_.read_part(rows, columns, scratch.elements.data());
  return {scratch.elements.data(), rows.size(), columns.size()};
}

/// rows × columns elements of rows of `from_columns`.
template <class T>
MatrixView<const T> StoredArray::converted(const std::byte* from, Index rows, Index columns, Index from_columns, Scratch<T>& scratch) const {
  const bool aligned = reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0;
  if (is_native<T>(*type_) && aligned) return {reinterpret_cast<const T*>(from), rows, columns, from_columns};
  if (scratch.elements.size() < rows * columns) scratch.elements = Buffer<T>(rows * columns);
  const Conversion<T> convert = conversion_from<T>(*type_);
  if (columns == from_columns) {
    convert(from, rows * columns, scratch.elements.data());
  } else {
    for (Index i = 0; i < rows; ++i) convert(from + i * from_columns * type_->bytes, columns, scratch.elements.data() + i * columns);
  }
  return {scratch.elements.data(), rows, columns};
}

std::string repacking(const std::vector<const StoredArray*>& arrays, const std::string& file, Index most_rows) {
  constexpr Index good_bytes = Index{1} << 20;
  std::vector<std::string> paths;
  Index row_bytes = 1;
  std::string width;
  for (const StoredArray* const array : arrays) {
    const std::string& path = array->dataset().path();
    paths.push_back(path.substr(path.starts_with("//") ? 1 : 0));
    row_bytes = std::max(row_bytes, array->columns() * array->dataset().type().bytes);
    if (array->dataset().dimensions().size() > 1) width = fmt::format("x{}", array->columns());
    most_rows = std::min(most_rows, array->rows());
  }
  const Index height = std::min(std::max<Index>(1, good_bytes / row_bytes), std::max<Index>(1, most_rows));
  return fmt::format("h5repack -l {}:CHUNK={}{} {} OUT.h5", fmt::join(paths, ","), height, width, file);
}

template struct Scratch<float>;
template struct Scratch<double>;
template struct Scratch<std::int32_t>;
template struct Scratch<Index>;
template MatrixView<const float> StoredArray::read(Range, Range, Scratch<float>&) const;
template MatrixView<const double> StoredArray::read(Range, Range, Scratch<double>&) const;
template MatrixView<const std::int32_t> StoredArray::read(Range, Range, Scratch<std::int32_t>&) const;
template MatrixView<const Index> StoredArray::read(Range, Range, Scratch<Index>&) const;

}  // namespace scanmf::data
