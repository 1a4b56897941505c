#include "model/write_arrays.hpp"

#include <algorithm>

namespace scanmf {
namespace {

constexpr Index piece_bytes = Index{4} << 20;

}  // namespace

Attributes cut_to_fit(Attributes attributes) {
  constexpr std::size_t most_bytes = 32768;
  for (auto& [name, value] : attributes)
    if (auto* const text = std::get_if<std::string>(&value); text != nullptr && text->size() > most_bytes)
      *text = text->substr(0, most_bytes) + " ... (cut)";
  return attributes;
}

io::DatasetLayout names_layout(const std::string& path, const std::vector<std::string>& names) {
  std::size_t longest = 1;
  for (const std::string& name : names) longest = std::max(longest, name.size());
  return {path, {static_cast<Index>(names.size())}, io::StoredType::text, static_cast<Index>(longest)};
}

template <Scalar T>
void write_rows(io::OutputFile& file, std::size_t dataset, Index first_row, MatrixView<const T> rows) {
  const Index row_bytes = rows.columns * static_cast<Index>(sizeof(T));
  const auto elements = [](const T* begin, Index count) {
    return std::as_bytes(std::span(begin, static_cast<std::size_t>(count)));
  };
  if (rows.rows <= 0 || row_bytes == 0) return;
  if (rows.stride == rows.columns) {
    file.write(dataset, first_row * row_bytes, elements(rows.data, rows.rows * rows.columns));
    return;
  }
  const Index piece_rows = std::min(rows.rows, std::max<Index>(1, piece_bytes / row_bytes));
  std::vector<T> piece(static_cast<std::size_t>(piece_rows * rows.columns));
  for (Index begin = 0; begin < rows.rows; begin += piece_rows) {
    const Index count = std::min(piece_rows, rows.rows - begin);
    for (Index i = 0; i < count; ++i) std::copy_n(rows.row(begin + i), rows.columns, piece.begin() + i * rows.columns);
    file.write(dataset, (first_row + begin) * row_bytes, elements(piece.data(), count * rows.columns));
  }
}

void write_names(io::OutputFile& file, std::size_t dataset, const std::vector<std::string>& names, Index text_bytes) {
  const auto count = static_cast<Index>(names.size());
  const Index piece_names = std::max<Index>(1, piece_bytes / text_bytes);
  for (Index begin = 0; begin < count; begin += piece_names) {
    const Index end = std::min(count, begin + piece_names);
    std::string piece(static_cast<std::size_t>((end - begin) * text_bytes), '\0');
    for (Index i = begin; i < end; ++i) {
      const std::string& name = names[static_cast<std::size_t>(i)];
      std::copy(name.begin(), name.end(), piece.begin() + (i - begin) * text_bytes);
    }
    file.write(dataset, begin * text_bytes, std::as_bytes(std::span(piece)));
  }
}

template void write_rows(io::OutputFile&, std::size_t, Index, MatrixView<const float>);
template void write_rows(io::OutputFile&, std::size_t, Index, MatrixView<const double>);

}  // namespace scanmf
