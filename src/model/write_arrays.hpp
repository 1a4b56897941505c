#pragma once

#include <string>
#include <vector>

#include "io/output_file.hpp"
#include "scanmf/linalg/matrix.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf {

template <Scalar T>
constexpr io::StoredType stored_type = std::same_as<T, float> ? io::StoredType::float32 : io::StoredType::float64;

/// A text that is too long for an attribute (the command line, when options list thousands of things) is cut, and says
/// so.
Attributes cut_to_fit(Attributes attributes);

/// The layout of a dataset of strings, as long as the longest of `names`.
io::DatasetLayout names_layout(const std::string& path, const std::vector<std::string>& names);

/// Local. Rows [first_row, first_row + rows.rows) of a 2-D dataset whose rows have rows.columns elements.
template <Scalar T>
void write_rows(io::OutputFile& file, std::size_t dataset, Index first_row, MatrixView<const T> rows);

/// Local. All strings of a dataset laid out by names_layout.
void write_names(io::OutputFile& file, std::size_t dataset, const std::vector<std::string>& names, Index text_bytes);

}  // namespace scanmf
