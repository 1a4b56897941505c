#include "ensemble/spectra.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/lapack.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

constexpr double panel_bytes = 32e6;

/// Spectra that are multiplied at a time, whole replicates: BLAS multiplies rows at the end of a matrix in another
/// order.
Index spectra_group(Index k) { return k * std::max<Index>(1, 64 / k); }

/// Inner products become those of spectra of length 1.
void normalise(const Communicator& comm, std::span<const Index> bounds, SpectraProducts& spectra) {
  spectra.norms.assign(static_cast<std::size_t>(spectra.count), 0);
  for (Index i = 0; i < spectra.rows.size(); ++i)
    spectra.norms[static_cast<std::size_t>(spectra.rows.begin + i)] =
        std::sqrt(spectra.products(i, spectra.rows.begin + i));
  comm.allgather(std::span(spectra.norms), bounds);
  std::vector<double> inverse(spectra.norms.size());
  std::ranges::transform(spectra.norms, inverse.begin(), [](double norm) { return norm > 0 ? 1 / norm : 0; });
  Team().for_each(spectra.rows.size(), [&](Index i) {
    const double own = inverse[static_cast<std::size_t>(spectra.rows.begin + i)];
    for (Index j = 0; j < spectra.count; ++j) spectra.products(i, j) *= own * inverse[static_cast<std::size_t>(j)];
  });
}

}  // namespace

std::vector<Index> spectra_bounds(Index k, Index replicates, int ranks) {
  return slice_offsets(k * replicates, ranks, spectra_group(k));
}

Index panel_columns(Index count, Index n_features) {
  const auto columns = static_cast<Index>(panel_bytes / (8.0 * static_cast<double>(count)));
  return std::min(n_features, std::clamp<Index>(columns, 32, 4096));
}

double consensus_bytes(Index k, Index replicates, Index n_features, int ranks) {
  const auto count = static_cast<double>(k * replicates);
  const double rows = static_cast<double>((replicates + ranks - 1) / ranks * k);
  return 8 * (rows * count + 2 * count * static_cast<double>(panel_columns(k * replicates, n_features)) +
              3 * static_cast<double>(k * n_features));
}

template <Scalar T>
void read_panel(const ReplicateStore& store, Index k_number, Range columns, MatrixView<double> to) {
  const StoreLayout& layout = store.layout();
  const Index k = layout.ks[static_cast<std::size_t>(k_number)];
  std::vector<T> row(static_cast<std::size_t>(columns.size()));
  for (Index i = 0; i < to.rows; ++i) {
    store.read(k_number * layout.replicates + i / k, i % k, columns, row.data());
    std::ranges::copy(row, to.row(i));
  }
}

template <Scalar T>
SpectraProducts products_of(const Communicator& comm, const ReplicateStore& store, Index k_number) {
  const StoreLayout& layout = store.layout();
  const Index k = layout.ks[static_cast<std::size_t>(k_number)];
  const std::vector<Index> bounds = spectra_bounds(k, layout.replicates, comm.size());
  const auto rank = static_cast<std::size_t>(comm.rank());
  SpectraProducts spectra{k * layout.replicates, {bounds[rank], bounds[rank + 1]}, {}, {}};
  comm.agree([&] {
    spectra.products = Matrix<double>(spectra.rows.size(), spectra.count, 0);
    const Index width = panel_columns(spectra.count, layout.columns);
    Matrix<double> panel(spectra.count, width);
    Matrix<double> turned(width, spectra.count);
    for (Index begin = 0; begin < layout.columns && !spectra.rows.empty(); begin += width) {
      const Range columns{begin, std::min(layout.columns, begin + width)};
      const MatrixView<double> part(panel.data(), spectra.count, columns.size());
      const MatrixView<double> part_turned(turned.data(), columns.size(), spectra.count);
      read_panel<T>(store, k_number, columns, part);
      Team().for_each(part_turned.rows, [&](Index j) {
        for (Index i = 0; i < part.rows; ++i) part_turned(j, i) = part(i, j);
      });
      Team().in_groups(spectra.rows.size(), spectra_group(k), [&](int, Range group) {
        multiply_add<double>(part.middle_rows({spectra.rows.begin + group.begin, spectra.rows.begin + group.end}),
                             part_turned, spectra.products.view().middle_rows(group));
      });
    }
  });
  normalise(comm, bounds, spectra);
  return spectra;
}

double distance_of(double product) { return std::sqrt(std::max(0.0, 2 - 2 * product)); }

std::vector<double> local_densities(const Communicator& comm, const SpectraProducts& spectra,
                                    std::span<const Index> bounds, Index replicates, double neighbourhood) {
  const Index q = std::max<Index>(1, static_cast<Index>(neighbourhood * static_cast<double>(replicates)));
  std::vector<double> densities(static_cast<std::size_t>(spectra.count), 0);
  Team().for_each(spectra.rows.size(), [&](Index i) {
    const Index own = spectra.rows.begin + i;
    double& density = densities[static_cast<std::size_t>(own)];
    density = std::numeric_limits<double>::quiet_NaN();
    if (spectra.norms[static_cast<std::size_t>(own)] == 0) return;
    std::vector<double> distances;
    for (Index j = 0; j < spectra.count; ++j)
      if (spectra.norms[static_cast<std::size_t>(j)] > 0)
        distances.push_back(j == own ? 0 : distance_of(spectra.products(i, j)));
    const Index smallest = std::min(q + 1, static_cast<Index>(distances.size()));
    std::partial_sort(distances.begin(), distances.begin() + smallest, distances.end());
    density = 0;
    for (Index j = 0; j < smallest; ++j) density += distances[static_cast<std::size_t>(j)];
    density /= static_cast<double>(q);
  });
  comm.allgather(std::span(densities), bounds);
  return densities;
}

template void read_panel<float>(const ReplicateStore&, Index, Range, MatrixView<double>);
template void read_panel<double>(const ReplicateStore&, Index, Range, MatrixView<double>);
template SpectraProducts products_of<float>(const Communicator&, const ReplicateStore&, Index);
template SpectraProducts products_of<double>(const Communicator&, const ReplicateStore&, Index);

}  // namespace scanmf
