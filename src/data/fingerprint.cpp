#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <vector>

#include "io/hdf5.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf {
namespace {

constexpr Index sampled_places = 32;
constexpr Index sampled_elements = 4096;  // of an array, at one place

/// Adds elements of an array, as doubles, to a checksum: `places` ranges of rows spread over all of them.
std::uint32_t sample(const hdf5::Dataset& dataset, Index rows_at_a_place, std::uint32_t checksum) {
  std::vector<double> values(static_cast<std::size_t>(rows_at_a_place * dataset.row_elements()));
  const Index last = std::max<Index>(0, dataset.rows() - rows_at_a_place);
  for (Index place = 0; place < sampled_places; ++place) {
    const Index begin = static_cast<Index>(static_cast<long double>(last) * place / std::max<Index>(1, sampled_places - 1));
    const Range rows{begin, std::min(dataset.rows(), begin + rows_at_a_place)};
    dataset.read_rows(rows, values.data());
    checksum = libdeflate_crc32(checksum, values.data(), static_cast<std::size_t>(rows.size() * dataset.row_elements()) * sizeof(double));
  }
  return checksum;
}

}  // namespace

std::string matrix_fingerprint(const Communicator& comm, const MatrixDescription& description) {
  std::string text;
  comm.agree([&] {
    if (!comm.is_root()) return;
    const hdf5::File file = hdf5::File::open(description.file);
    std::uint32_t checksum = 0;
    if (description.format == FileFormat::dense) {
      checksum = sample(file.dataset(description.path), 1, checksum);
    } else {
      for (const std::string& array : {description.parts.values, description.parts.indices, description.parts.indptr})
        checksum = sample(file.dataset(array), sampled_elements, checksum);
    }
    text = fmt::format("{} x {} {}, {} stored, sample {:08x}", description.shape.rows, description.shape.columns, description.element_type,
                       description.stored, checksum);
  });
  return comm.broadcast(text);
}

}  // namespace scanmf
