#include "data/array.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libdeflate.h>

#include <algorithm>

#include "data/element_conversion.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {

template <class T>
void Scratch<T>::Free::operator()(libdeflate_decompressor* decompressor) const {
  libdeflate_free_decompressor(decompressor);
}

void Array::refuse(Range rows, const std::string& reason) const {
  throw Error(fmt::format("cannot read {} {} to {} of {}: {}", facts_.dimensions == 1 ? "elements" : "rows", rows.begin,
                          rows.end - 1, facts_.place, reason));
}

template <class T>
MatrixView<const T> elements_of(const std::byte* from, const io::RawType& type, Index rows, Index columns,
                                Index from_columns, Scratch<T>& scratch) {
  const bool aligned = reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0;
  if (is_native<T>(type) && aligned) return {reinterpret_cast<const T*>(from), rows, columns, from_columns};
  T* const to = scratch.room_for(rows * columns);
  const Conversion<T> convert = conversion_from<T>(type);
  if (columns == from_columns) {
    convert(from, rows * columns, to);
  } else {
    for (Index i = 0; i < rows; ++i) convert(from + i * from_columns * type.bytes, columns, to + i * columns);
  }
  return {to, rows, columns};
}

void choose_units(ArrayFacts& facts, Index chunk_columns, Index piece_bytes) {
  const Index chunk_rows = std::max<Index>(1, facts.chunk_rows);
  const Index most = std::max<Index>(1, piece_bytes / std::max<Index>(1, facts.element_bytes));
  const Index width = std::max<Index>(1, facts.columns);
  if (width <= most / chunk_rows) {
    facts.unit_rows = most / (chunk_rows * width) * chunk_rows;
    facts.unit_columns = width;
  } else {
    facts.unit_rows = std::min(chunk_rows, std::max<Index>(1, most / chunk_columns));
    facts.unit_columns = std::min(width, std::max<Index>(1, most / (facts.unit_rows * chunk_columns)) * chunk_columns);
  }
}

std::string repacking(const std::vector<const Array*>& arrays, const std::string& file, Index most_rows) {
  constexpr Index good_bytes = Index{1} << 20;
  std::vector<std::string> paths;
  Index row_bytes = 1;
  std::string width;
  for (const Array* const array : arrays) {
    const std::string& path = array->facts().path;
    paths.push_back(path.substr(path.starts_with("//") ? 1 : 0));
    row_bytes = std::max(row_bytes, array->columns() * array->facts().element_bytes);
    if (array->facts().dimensions > 1) width = fmt::format("x{}", array->columns());
    most_rows = std::min(most_rows, array->rows());
  }
  const Index height = std::min(std::max<Index>(1, good_bytes / row_bytes), std::max<Index>(1, most_rows));
  return fmt::format("h5repack -l {}:CHUNK={}{} {} OUT.h5", fmt::join(paths, ","), height, width, file);
}

template struct Scratch<float>;
template struct Scratch<double>;
template struct Scratch<std::int32_t>;
template struct Scratch<Index>;
template MatrixView<const float> elements_of(const std::byte*, const io::RawType&, Index, Index, Index,
                                             Scratch<float>&);
template MatrixView<const double> elements_of(const std::byte*, const io::RawType&, Index, Index, Index,
                                              Scratch<double>&);
template MatrixView<const std::int32_t> elements_of(const std::byte*, const io::RawType&, Index, Index, Index,
                                                    Scratch<std::int32_t>&);
template MatrixView<const Index> elements_of(const std::byte*, const io::RawType&, Index, Index, Index,
                                             Scratch<Index>&);

}  // namespace scanmf::data
