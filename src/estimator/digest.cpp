#include "scanmf/estimator/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "io/checksums.hpp"
#include "scanmf/data/data_source.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf {
namespace {

static_assert(std::endian::native == std::endian::little, "digests are of little-endian elements");

std::string hexadecimal(std::uint32_t crc) { return fmt::format("{:08x}", crc); }

/// Of W that a rank reads at once: the model itself may still be in memory.
constexpr Index bytes_at_once = Index{16} << 20;

/// Of the rows of W, shared out over ranks some at a time.
template <Scalar T>
std::string digest_of_W(const Communicator& comm, const std::string& file, const Shape& shape) {
  const Index row = shape.columns * static_cast<Index>(sizeof(T));
  const Index share_rows = std::max<Index>(1, bytes_at_once / row);
  std::uint32_t own = 0;
  for (Index begin = 0; begin < shape.rows; begin += share_rows * comm.size()) {
    const Index first = std::min(shape.rows, begin + share_rows * comm.rank());
    const Range rows{first, std::min(shape.rows, first + share_rows)};
    const Matrix<T> W = read_model_slice<T>(comm, file, "/W", shape, rows);
    own ^= io::crc32_share(io::crc32(std::as_bytes(W.span())), (shape.rows - rows.end) * row);
  }
  std::uint32_t crc = 0;
  for (const Index share : comm.allgather<Index>(own)) crc ^= static_cast<std::uint32_t>(share);
  return hexadecimal(crc);
}

template <Scalar T>
std::string digest_of_H(const Communicator& comm, const std::string& file) {
  const Matrix<T> H = read_replicated_matrix<T>(comm, file, "/H");
  return hexadecimal(io::crc32(std::as_bytes(H.span())));
}

std::string digest_of_history(const ModelHeader& header) {
  std::string bytes;
  for (const auto& [name, values] : header.history) {
    if (name == "seconds") continue;
    bytes += name;
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  }
  return bytes.empty() ? "-" : hexadecimal(io::crc32(std::as_bytes(std::span(bytes))));
}

template <Scalar T>
std::string digest_as(const Communicator& comm, const std::string& file, const ModelHeader& header) {
  const std::optional<DatasetInfo> W = dataset_info(comm, file, "/W");
  const std::string of_W = W ? digest_of_W<T>(comm, file, {header.n_samples, header.n_components}) : std::string("-");
  return fmt::format("W {}  H {}  history {}", of_W, digest_of_H<T>(comm, file), digest_of_history(header));
}

}  // namespace

std::string digest_of_model(const Communicator& comm, const std::string& file) {
  const ModelHeader header = read_model_header(comm, file);
  if (header.estimator.empty()) throw AgreedError(fmt::format("'{}' holds factors, but no model of a fit", file));
  return header.dtype == DataType::float32 ? digest_as<float>(comm, file, header)
                                           : digest_as<double>(comm, file, header);
}

}  // namespace scanmf
