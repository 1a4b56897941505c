#include "data/whole_numbers.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/checked.hpp"
#include "data/open_array.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

constexpr Index most_elements = 4096;
constexpr Index most_bytes = Index{16} << 20;

/// The dataset that holds the numbers.
const std::string& path_of(const MatrixDescription& description) {
  return description.is_sparse() ? description.parts.values : description.path;
}

/// False where a chunk, which is inflated as a whole, is larger.
bool is_cheap(const hdf5::Dataset& dataset) {
  std::optional<Index> bytes = dataset.chunk().empty() ? 0 : std::max<Index>(1, dataset.type().bytes);
  for (const Index length : dataset.chunk()) bytes = bytes ? checked_product({*bytes, length}) : bytes;
  return bytes && *bytes <= most_bytes;
}

std::unique_ptr<data::Array> open_numbers(const MatrixDescription& description) {
  if (description.format == FileFormat::npy) return data::open_matrix_array(description, most_bytes);
  const hdf5::File file = hdf5::File::open(description.file);
  hdf5::Dataset dataset = file.dataset(path_of(description));
  return is_cheap(dataset) ? data::open_array(std::move(dataset), most_bytes) : nullptr;
}

}  // namespace

std::optional<bool> data::begins_with_whole_numbers(const MatrixDescription& description) {
  try {
    const std::unique_ptr<Array> array = open_numbers(description);
    if (array == nullptr || array->rows() == 0 || array->columns() == 0) return std::nullopt;
    const Range columns = {0, std::min({array->columns(), array->unit_columns(), most_elements})};
    const Range rows = {
        0, std::min({array->rows(), array->unit_rows(), std::max<Index>(1, most_elements / columns.size())})};
    Scratch<double> scratch;
    const MatrixView<const double> elements = array->read(rows, columns, scratch);
    for (Index i = 0; i < elements.rows; ++i)
      for (Index j = 0; j < elements.columns; ++j)
        if (elements(i, j) != std::floor(elements(i, j))) return false;
    return true;
  } catch (const Error&) {  // whoever reads X says why
    return std::nullopt;
  }
}

std::optional<bool> begins_with_whole_numbers(const Communicator& comm, const MatrixDescription& description) {
  constexpr Index unknown = -1;
  Index answer = unknown;
  comm.agree([&] {
    if (!comm.is_root()) return;
    if (const auto whole = data::begins_with_whole_numbers(description)) answer = *whole ? 1 : 0;
  });
  comm.broadcast(std::span<Index>(&answer, 1));
  return answer == unknown ? std::nullopt : std::optional<bool>(answer == 1);
}

}  // namespace scanmf
