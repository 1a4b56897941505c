#include "scanmf/data/sample_weights.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/input_name.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

/// Where the weights lie.
data::InputName place_of_weights(const std::string& name, const MatrixDescription& x) {
  if (!name.starts_with("obs/")) {
    data::InputName place = data::parse_input(name);
    if (place.path.empty())
      throw Error(fmt::format("--sample-weight {}: say which dataset, FILE:/path, or obs/NAME of the file of X", name));
    return place;
  }
  if (x.format == FileFormat::npy)
    throw Error(
        fmt::format("--sample-weight {}: '{}' has no obs, since it is no HDF5 file: use FILE:/path", name, x.file));
  return {x.file, "/" + name};
}

std::vector<double> read_share(const data::InputName& place, Index rows, Range share) {
  const hdf5::File file = hdf5::File::open(place.file);
  const std::string where = place.file + ":" + place.path;
  switch (hdf5::object_at(file, place.path).kind) {
    case hdf5::ObjectKind::dataset:
      break;
    case hdf5::ObjectKind::nothing:
      throw Error(fmt::format("there is no '{}': sample weights are a 1-D dataset of numbers", where));
    default:
      throw Error(
          fmt::format("'{}' is no plain list of numbers, which sample weights must be (it is a group: categories, or "
                      "numbers that may be missing)",
                      where));
  }
  const hdf5::Dataset dataset = file.dataset(place.path);
  if (!dataset.type().is_number())
    throw Error(fmt::format("'{}' does not hold numbers, which sample weights must be", where));
  if (dataset.dimensions() != std::vector<Index>{rows})
    throw Error(fmt::format("'{}' has the shape ({}): sample weights are one number for each of the {} rows of X",
                            where, fmt::join(dataset.dimensions(), ", "), rows));
  dataset.check_stored();
  std::vector<double> weights(static_cast<std::size_t>(share.size()));
  dataset.read_rows(share, weights.data());
  return weights;
}

}  // namespace

std::vector<double> read_sample_weights(const Communicator& comm, const std::string& name, const MatrixDescription& x) {
  const std::vector<Index> shares = slice_offsets(x.shape.rows, comm.size());
  const auto rank = static_cast<std::size_t>(comm.rank());
  std::vector<double> weights;
  comm.agree([&] { weights = read_share(place_of_weights(name, x), x.shape.rows, {shares[rank], shares[rank + 1]}); });
  return weights;
}

bool require_a_weight_each(const Communicator& comm, const std::optional<std::vector<double>>& weights,
                           Index own_rows) {
  if (comm.max<Index>(weights ? 1 : 0) == 0) return false;
  const Index given = weights ? static_cast<Index>(weights->size()) : 0;
  comm.agree([&] {
    if (given != own_rows) throw Error(fmt::format("sample_weight has {} numbers for {} rows of X", given, own_rows));
  });
  return true;
}

}  // namespace scanmf
