#include "scanmf/data/observed_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "scanmf/core/error.hpp"
#include "scanmf/linalg/tile_loop.hpp"

namespace scanmf {
namespace data {
namespace {

/// Another source, whose blocks say what is observed and how much rows weigh.
template <Scalar T>
class ObservedSource final : public DataSource<T> {
 public:
  ObservedSource(std::unique_ptr<DataSource<T>> x, std::vector<T> weights, Observation observation)
      : x_(std::move(x)), weights_(std::move(weights)), observation_(std::move(observation)), summary_(x_->summary()) {
    summary_.missing = observation_.missing;
  }

  Shape shape() const override { return x_->shape(); }
  StorageKind kind() const override { return x_->kind(); }
  const RowPartition& partition() const override { return x_->partition(); }
  const Communicator& communicator() const override { return x_->communicator(); }
  const DataSummary& summary() const override { return summary_; }
  const Observation* observation() const override { return &observation_; }
  Index bytes() const override { return x_->bytes(); }
  double seconds_waited() const override { return x_->seconds_waited(); }
  bool exchanges() const override { return x_->exchanges(); }
  ExchangeCost exchange_cost() const override { return x_->exchange_cost(); }
  Index chunks_inflated() const override { return x_->chunks_inflated(); }
  bool in_memory() const override { return x_->in_memory(); }

  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override {
    x_->visit(batch, [&](const Block<T>& block) {
      Block<T> observed = block;
      observed.observed = observation_.observed;
      if (observation_.weighted) observed.weights = weights_.data() + block.local_row;
      visitor(observed);
    });
  }

 private:
  std::unique_ptr<DataSource<T>> x_;
  std::vector<T> weights_;
  Observation observation_;
  DataSummary summary_;
};

/// Counts the observed elements of rows and columns. Where all that are stored are observed, these; else the others.
template <Scalar T>
class Counting {
 public:
  Counting(const DataSource<T>& x, Observed observed, const std::vector<T>& weights)
      : observed_(observed),
        stored_(x.kind() == StorageKind::csr && observed == Observed::not_zero),
        weights_(weights),
        columns_(x.shape().columns),
        in_row_(static_cast<std::size_t>(x.local_rows()), 0),
        in_column_(static_cast<std::size_t>(team_.size()), std::vector<Index>(static_cast<std::size_t>(columns_), 0)) {}

  void add(const Block<T>& block) {
    for_each_tile(team_, block, [&](int thread, Index row, const TileView<T>& tile) {
      Index* const in_column = in_column_[static_cast<std::size_t>(thread)].data();
      for_each_held_element(tile, [&](Index i, Index column, T element) {
        if (is_observed(observed_, element) != stored_) return;
        ++in_row_[static_cast<std::size_t>(block.local_row + row + i)];
        if (counts(block.local_row + row + i)) ++in_column[column];
      });
    });
  }

  /// Collective. What has been counted, on all ranks.
  Observation observation(const Communicator& comm, Index all_rows) {
    Observation result;
    result.observed = observed_;
    result.weighted = !weights_.empty();
    Index own = 0;
    Index rows_that_count = 0;
    for (std::size_t i = 0; i < in_row_.size(); ++i) {
      own += in_row_[i];
      rows_that_count += counts(static_cast<Index>(i)) ? 1 : 0;
      if (in_row_[i] == (stored_ ? 0 : columns_)) result.empty_rows.push_back(static_cast<Index>(i));
    }
    const Index found = comm.sum(own);
    rows_that_count = comm.sum(rows_that_count);
    result.missing = stored_ ? all_rows * columns_ - found : found;
    result.in_column.assign(static_cast<std::size_t>(columns_), 0);
    for (const std::vector<Index>& part : in_column_)
      for (std::size_t j = 0; j < part.size(); ++j) result.in_column[j] += part[j];
    comm.allreduce_sum(std::span<Index>(result.in_column));
    for (Index& count : result.in_column) {
      if (!stored_) count = rows_that_count - count;
      result.few.push_back(stored_ || count <= rows_that_count / 2 ? 1 : 0);
    }
    return result;
  }

 private:
  bool counts(Index local_row) const {
    return weights_.empty() || weights_[static_cast<std::size_t>(local_row)] > T{0};
  }

  Observed observed_;
  bool stored_;
  const std::vector<T>& weights_;
  Index columns_;
  Team team_;
  std::vector<Index> in_row_;
  std::vector<std::vector<Index>> in_column_;  // of each thread
};

/// Number in X of a row of this rank.
Index global_row(const RowPartition& partition, int rank, Index local_row) {
  Index batch = 0;
  while (partition.local_begin(batch + 1, rank) <= local_row) ++batch;
  return partition.piece(batch, rank).begin + local_row - partition.local_begin(batch, rank);
}

/// Collective. Refuses the first local row of all ranks, if there is any. message(global row, index in this rank's
/// list).
template <class Message>
void refuse_first_row(const Communicator& comm, const RowPartition& partition, const std::vector<Index>& local_rows,
                      Message&& message) {
  constexpr Index none = std::numeric_limits<Index>::max();
  Index own = none;
  Index own_local = -1;
  for (const Index row : local_rows) {
    const Index number = global_row(partition, comm.rank(), row);
    if (number >= own) continue;
    own = number;
    own_local = row;
  }
  const Index first = -comm.max(-own);
  comm.agree([&] {
    if (own == first && own_local >= 0) throw Error(message(first, own_local));
  });
}

/// Collective. Weights in the type of X, checked.
template <Scalar T>
std::vector<T> checked_weights(const DataSource<T>& x, const std::vector<double>& weights) {
  const Communicator& comm = x.communicator();
  std::vector<T> result(weights.size());
  std::vector<Index> wrong;
  Index positive = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    result[i] = static_cast<T>(weights[i]);
    if (!std::isfinite(result[i]) || result[i] < T{0}) wrong.push_back(static_cast<Index>(i));
    if (result[i] > T{0}) ++positive;
  }
  refuse_first_row(comm, x.partition(), wrong, [&](Index row, Index local_row) {
    return fmt::format("sample weight {} of row {} (counted from 0) is not a finite number >= 0 of {}",
                       weights[static_cast<std::size_t>(local_row)], row, name_of(data_type_of<T>));
  });
  if (comm.sum(positive) == 0) throw AgreedError("all sample weights are 0: there is nothing to learn from");
  return result;
}

std::string in_place(const std::string& place) { return place.empty() ? "X" : place; }

/// Collective.
void refuse_empty(const Communicator& comm, const RowPartition& partition, const Observation& observation,
                  const ObserveOptions& options) {
  refuse_first_row(comm, partition, observation.empty_rows, [&](Index row, Index) {
    return fmt::format("row {} of {} (counted from 0) has no observed entries: remove it, or {}", row,
                       in_place(options.place), options.hint);
  });
  const auto empty = std::ranges::find(observation.in_column, 0);
  if (empty == observation.in_column.end()) return;
  throw AgreedError(fmt::format("column {} of {} (counted from 0) has no observed entries{}: remove it, or {}",
                                empty - observation.in_column.begin(), in_place(options.place),
                                observation.weighted ? " of weight > 0" : "", options.hint));
}

}  // namespace
}  // namespace data

template <Scalar T>
std::unique_ptr<DataSource<T>> observed_source(std::unique_ptr<DataSource<T>> x, const ObserveOptions& options,
                                               std::optional<std::vector<double>> weights) {
  if (options.observed == Observed::all && !weights) return x;
  const Communicator& comm = x->communicator();
  std::vector<T> checked;
  if (weights) checked = data::checked_weights(*x, *weights);
  Observation observation;
  observation.weighted = weights.has_value();
  if (options.observed != Observed::all) {
    std::optional<data::Counting<T>> counting;
    comm.agree([&] {
      counting.emplace(*x, options.observed, checked);
      for (Index batch = 0; batch < x->partition().batches(); ++batch)
        x->visit(batch, [&](const Block<T>& block) { counting->add(block); });
    });
    Observation counted = counting->observation(comm, x->shape().rows);
    if (counted.missing > 0) observation = std::move(counted);
  }
  if (observation.missing == 0 && !weights) return x;
  if (observation.missing > 0 && !options.keep_empty) data::refuse_empty(comm, x->partition(), observation, options);
  return std::make_unique<data::ObservedSource<T>>(std::move(x), std::move(checked), std::move(observation));
}

template std::unique_ptr<DataSource<float>> observed_source(std::unique_ptr<DataSource<float>>, const ObserveOptions&,
                                                            std::optional<std::vector<double>>);
template std::unique_ptr<DataSource<double>> observed_source(std::unique_ptr<DataSource<double>>, const ObserveOptions&,
                                                             std::optional<std::vector<double>>);

}  // namespace scanmf
