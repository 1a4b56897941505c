#include "ensemble/consensus.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/at.hpp"
#include "ensemble/clusters.hpp"
#include "ensemble/connectivity.hpp"
#include "ensemble/spectra.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

/// Mean and standard deviation (ddof 1) of the replicates' errors.
void measure_errors(const ReplicateStore& store, Index k_number, MeasuresOfK& measures) {
  const Index replicates = store.layout().replicates;
  double sum = 0;
  double squares = 0;
  for (Index r = 0; r < replicates; ++r) sum += store.at(k_number * replicates + r)->error;
  const auto count = static_cast<double>(replicates);
  for (Index r = 0; r < replicates; ++r)
    squares += std::pow(store.at(k_number * replicates + r)->error - sum / count, 2);
  measures.replicate_error_mean = sum / count;
  if (replicates > 1) measures.replicate_error_sd = std::sqrt(squares / (count - 1));
}

/// numpy's: of an even number of values the mean of the two in the middle.
double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return 0.5 * (*middle + *std::max_element(values.begin(), middle));
}

double mean(std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// The products of the spectra that are kept, moved together in place: `kept` are their numbers.
UnitPoints kept_points(SpectraProducts& spectra, std::span<const Index> bounds, const std::vector<Index>& kept,
                       Index dimensions) {
  UnitPoints points;
  points.count = static_cast<Index>(kept.size());
  points.dimensions = dimensions;
  for (const Index bound : bounds) points.bounds.push_back(std::ranges::lower_bound(kept, bound) - kept.begin());
  double* to = spectra.products.data();
  Index rows = 0;
  for (const Index i : kept) {
    if (i < spectra.rows.begin || i >= spectra.rows.end) continue;
    const double* const from = spectra.products.row(i - spectra.rows.begin);
    for (const Index j : kept) *to++ = from[j];
    ++rows;
  }
  points.products = MatrixView<const double>(spectra.products.data(), rows, points.count);
  return points;
}

/// The replicate that each of these spectra is of.
std::vector<Index> replicates_of(std::vector<Index> spectra, Index k) {
  for (Index& i : spectra) i /= k;
  return spectra;
}

/// Panels of columns are shared out over ranks; each element is the middle, median or mean, over the spectra of its
/// cluster.
template <Scalar T, class Middle>
Matrix<T> middles_of(const Communicator& comm, const ReplicateStore& store, Index k_number,
                     const std::vector<double>& norms, const std::vector<Index>& labels, Middle&& middle) {
  const Index n = store.layout().columns;
  const Index k = store.layout().ks[at(k_number)];
  const auto count = static_cast<Index>(labels.size());
  std::vector<std::vector<Index>> members(at(k));
  for (Index i = 0; i < count; ++i)
    if (labels[at(i)] >= 0) members[at(labels[at(i)])].push_back(i);
  Matrix<double> Ht(n, k, 0);
  comm.agree([&] {
    const Index width = panel_columns(count, n);
    Matrix<double> buffer(count, width);
    for (Index begin = comm.rank() * width; begin < n; begin += comm.size() * width) {
      const Range columns{begin, std::min(n, begin + width)};
      const MatrixView<double> panel(buffer.data(), count, columns.size());
      read_panel<T>(store, k_number, columns, panel);
      Team().for_each(columns.size(), [&](Index j) {
        std::vector<double> values;
        for (Index c = 0; c < k; ++c) {
          values.clear();
          for (const Index i : members[at(c)]) values.push_back(panel(i, j) / norms[at(i)]);
          Ht(columns.begin + j, c) = middle(values);
        }
      });
    }
  });
  comm.allreduce_sum(Ht.span());
  Matrix<T> result(n, k);
  for (Index c = 0; c < k; ++c) {
    double sum = 0;
    for (Index j = 0; j < n; ++j) sum += Ht(j, c);
    for (Index j = 0; j < n; ++j) result(j, c) = static_cast<T>(sum > 0 ? Ht(j, c) / sum : 0);
  }
  return result;
}

}  // namespace

template <Scalar T>
Consensus<T> consensus_of(const Communicator& comm, const ReplicateStore& store, const EnsembleOptions& options,
                          Index k_number) {
  const Index k = options.ks[at(k_number)];
  Consensus<T> consensus;
  MeasuresOfK& measures = consensus.measures;
  measures.k = k;
  measure_errors(store, k_number, measures);
  measure_connectivity(comm, store, k_number, measures);
  const std::vector<Index> bounds = spectra_bounds(k, options.replicates, comm.size());
  SpectraProducts spectra = products_of<T>(comm, store, k_number);
  consensus.density = local_densities(comm, spectra, bounds, options.replicates, options.neighbourhood);
  consensus.labels.assign(consensus.density.size(), -1);
  std::vector<Index> kept;
  for (Index i = 0; i < spectra.count; ++i)
    if (consensus.density[at(i)] < options.density_threshold) kept.push_back(i);
  measures.kept = static_cast<double>(kept.size()) / static_cast<double>(spectra.count);
  if (static_cast<Index>(kept.size()) < k) return consensus;
  const bool is_matched = options.matching() == Matching::hungarian;
  const Clustering clustering(comm, kept_points(spectra, bounds, kept, store.layout().columns), k);
  std::vector<Index> labels(kept.size(), 0);
  if (k > 1) labels = is_matched ? clustering.match(replicates_of(kept, k)) : clustering.k_means().labels;
  std::vector<Index> sizes(at(k), 0);
  for (const Index c : labels) ++sizes[at(c)];
  if (std::ranges::find(sizes, 0) != sizes.end()) return consensus;  // fewer than k different spectra
  for (std::size_t i = 0; i < kept.size(); ++i) consensus.labels[at(kept[i])] = labels[i];
  consensus.cluster_stability.assign(at(k), options.replicates > 1 ? 1 : MeasuresOfK::unknown);
  if (options.replicates > 1) measures.stability = measures.least_cluster_stability = 1;
  if (k > 1 && options.replicates > 1) {
    const std::vector<double> silhouettes =
        clustering.silhouettes(labels, is_matched ? Distance::cosine : Distance::euclidean);
    consensus.cluster_stability = cluster_means(silhouettes, labels, k);
    measures.stability =
        std::accumulate(silhouettes.begin(), silhouettes.end(), 0.0) / static_cast<double>(silhouettes.size());
    measures.least_cluster_stability = std::ranges::min(consensus.cluster_stability);
  }
  consensus.Ht = middles_of<T>(comm, store, k_number, spectra.norms, consensus.labels, is_matched ? mean : median);
  return consensus;
}

template <Scalar T>
void reorder(Consensus<T>& consensus, std::span<const Index> order) {
  std::vector<Index> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) place[at(order[i])] = static_cast<Index>(i);
  for (Index& label : consensus.labels)
    if (label >= 0) label = place[at(label)];
  const std::vector<double> stability = consensus.cluster_stability;
  for (std::size_t i = 0; i < order.size(); ++i) consensus.cluster_stability[i] = stability[at(order[i])];
  std::vector<T> row(order.size());
  for (Index j = 0; j < consensus.Ht.rows(); ++j) {
    std::copy_n(consensus.Ht.row(j), order.size(), row.begin());
    for (std::size_t i = 0; i < order.size(); ++i) consensus.Ht(j, static_cast<Index>(i)) = row[at(order[i])];
  }
}

template Consensus<float> consensus_of(const Communicator&, const ReplicateStore&, const EnsembleOptions&, Index);
template Consensus<double> consensus_of(const Communicator&, const ReplicateStore&, const EnsembleOptions&, Index);
template void reorder(Consensus<float>&, std::span<const Index>);
template void reorder(Consensus<double>&, std::span<const Index>);

}  // namespace scanmf
