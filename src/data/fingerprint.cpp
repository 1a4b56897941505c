#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <vector>

#include "data/row_reader.hpp"
#include "io/hdf5.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf {
namespace {

constexpr Index sampled_places = 32;
constexpr Index sampled_elements = 4096;  // of an array, at one place

/// Adds elements of an array of so many rows, as doubles, to a checksum: `places` ranges of rows spread over all of
/// them. read_rows(rows, to): reads elements.
template <class ReadRows>
std::uint32_t sample(const Shape& shape, Index rows_at_a_place, std::uint32_t checksum, ReadRows&& read_rows) {
  std::vector<double> values(static_cast<std::size_t>(rows_at_a_place * shape.columns));
  const Index last = std::max<Index>(0, shape.rows - rows_at_a_place);
  for (Index place = 0; place < sampled_places; ++place) {
    const Index begin =
        static_cast<Index>(static_cast<long double>(last) * place / std::max<Index>(1, sampled_places - 1));
    const Range rows{begin, std::min(shape.rows, begin + rows_at_a_place)};
    read_rows(rows, values.data());
    checksum = libdeflate_crc32(checksum, values.data(),
                                static_cast<std::size_t>(rows.size() * shape.columns) * sizeof(double));
  }
  return checksum;
}

std::uint32_t sample_dense(const MatrixDescription& description) {
  MatrixDescription in_file = description;
  in_file.shape = description.shape_in_file();
  in_file.transposed = false;
  const data::RowReader<double> reader(in_file);
  return sample(in_file.shape, 1, 0, [&](Range rows, double* to) { reader.read(rows, to); });
}

std::uint32_t sample_sparse(const MatrixDescription& description) {
  const hdf5::File file = hdf5::File::open(description.file);
  std::uint32_t checksum = 0;
  for (const std::string& array : {description.parts.values, description.parts.indices, description.parts.indptr}) {
    const hdf5::Dataset dataset = file.dataset(array);
    checksum = sample({dataset.rows(), 1}, sampled_elements, checksum,
                      [&](Range rows, double* to) { dataset.read_rows(rows, to); });
  }
  return checksum;
}

}  // namespace

std::string matrix_fingerprint(const Communicator& comm, const MatrixDescription& description) {
  std::string text;
  comm.agree([&] {
    if (!comm.is_root()) return;
    const std::uint32_t checksum = description.is_sparse() ? sample_sparse(description) : sample_dense(description);
    text = fmt::format("{} x {} {}, {} stored, sample {:08x}", description.shape.rows, description.shape.columns,
                       description.element_type, description.stored, checksum);
    if (description.transposed) text += ", transposed";
    for (const Range& columns : description.columns)
      text += fmt::format(", columns {} to {}", columns.begin, columns.end - 1);
  });
  return comm.broadcast(text);
}

}  // namespace scanmf
