#include "scanmf/data/observed_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "data/visit_all.hpp"
#include "data/wrapped_source.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/linalg/tile_loop.hpp"

namespace scanmf {
namespace data {
namespace {

/// Another source, whose blocks say what is observed and how much rows weigh.
template <Scalar T>
class ObservedSource final : public WrappedSource<T> {
 public:
  ObservedSource(std::unique_ptr<DataSource<T>> x, std::vector<T> weights, Observation observation)
      : WrappedSource<T>(*x),
        x_(std::move(x)),
        weights_(std::move(weights)),
        observation_(std::move(observation)),
        summary_(x_->summary()) {
    summary_.missing = observation_.missing;
  }

  const DataSummary& summary() const override { return summary_; }
  const Observation* observation() const override { return &observation_; }

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

/// Weights of this rank's rows, in the type of X; none: all are 1. Whether there are any is the same on every rank.
template <Scalar T>
struct RowWeights {
  bool given = false;
  std::vector<T> of_rows = {};
  bool counts(Index local_row) const { return !given || of_rows[static_cast<std::size_t>(local_row)] > T{0}; }
};

/// Counts the observed elements of rows, columns and batches. Where all that are stored are observed, these; else the
/// others.
template <Scalar T>
class Counting {
 public:
  Counting(const DataSource<T>& x, Observed observed, const RowWeights<T>& weights)
      : stored_(x.kind() == StorageKind::csr && observed == Observed::not_zero),
        weights_(weights),
        partition_(x.partition()),
        rank_(x.communicator().rank()),
        columns_(x.shape().columns),
        in_row_(static_cast<std::size_t>(x.local_rows()), 0),
        in_column_(static_cast<std::size_t>(team_.size()), std::vector<Index>(static_cast<std::size_t>(columns_), 0)) {
    result_.observed = observed;
    result_.weighted = weights.given;
    result_.in_column.assign(static_cast<std::size_t>(columns_), 0);
    result_.in_batch.assign(static_cast<std::size_t>(partition_.batches()), 0);
  }

  void add(const Block<T>& block) {
    for_each_tile(team_, block, [&](int thread, const TilePlace& place, const TileView<T>& tile) {
      Index* const in_column = in_column_[static_cast<std::size_t>(thread)].data();
      for_each_held_element(tile, [&](Index i, Index column, T element) {
        if (is_observed(result_.observed, element) != stored_) return;
        const Index row = block.local_row + place.row + i;
        ++in_row_[static_cast<std::size_t>(row)];
        if (weights_.counts(row)) ++in_column[column];
      });
    });
  }

  /// Local. What this rank has counted, when all has been added.
  void close() {
    for (Index batch = 0; batch < partition_.batches(); ++batch) {
      for (Index i = partition_.local_begin(batch, rank_); i < partition_.local_begin(batch + 1, rank_); ++i) {
        const Index held = in_row_[static_cast<std::size_t>(i)];
        const Index observed = stored_ ? held : columns_ - held;
        observed_ += observed;
        if (observed == 0) result_.empty_rows.push_back(i);
        if (!weights_.counts(i)) continue;
        ++rows_that_count_;
        result_.in_batch[static_cast<std::size_t>(batch)] += observed;
      }
    }
    for (const std::vector<Index>& part : in_column_)
      for (std::size_t j = 0; j < part.size(); ++j) result_.in_column[j] += part[j];
  }

  /// Collective. The same of all ranks.
  Observation of_all(const Communicator& comm, Index all_rows) {
    result_.missing = all_rows * columns_ - comm.sum(observed_);
    rows_that_count_ = comm.sum(rows_that_count_);
    comm.allreduce_sum(std::span<Index>(result_.in_column));
    comm.allreduce_sum(std::span<Index>(result_.in_batch));
    if (!stored_)
      for (Index& count : result_.in_column) count = rows_that_count_ - count;
    return std::move(result_);
  }

 private:
  bool stored_;
  const RowWeights<T>& weights_;
  const RowPartition& partition_;
  int rank_;
  Index columns_;
  Team team_;
  std::vector<Index> in_row_;
  std::vector<std::vector<Index>> in_column_;  // of each thread
  Index observed_ = 0;
  Index rows_that_count_ = 0;
  Observation result_;
};

/// Collective. What of X is observed; reads it once.
template <Scalar T>
Observation counted(DataSource<T>& x, Observed observed, const RowWeights<T>& weights) {
  const Communicator& comm = x.communicator();
  std::optional<Counting<T>> counting;
  comm.agree([&] { counting.emplace(x, observed, weights); });  // no rank may be missing in the visits
  data::visit_all(x, [&](const Block<T>& block) { counting->add(block); });
  comm.agree([&] { counting->close(); });
  return counting->of_all(comm, x.shape().rows);
}

/// Collective. The same where all of X is.
template <Scalar T>
Observation all_observed(const DataSource<T>& x, const RowWeights<T>& weights) {
  const RowPartition& partition = x.partition();
  const int rank = x.communicator().rank();
  Observation result;
  result.weighted = weights.given;
  result.in_batch.assign(static_cast<std::size_t>(partition.batches()), 0);
  for (Index batch = 0; batch < partition.batches(); ++batch)
    for (Index i = partition.local_begin(batch, rank); i < partition.local_begin(batch + 1, rank); ++i)
      if (weights.counts(i)) result.in_batch[static_cast<std::size_t>(batch)] += x.shape().columns;
  x.communicator().allreduce_sum(std::span<Index>(result.in_batch));
  return result;
}

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
RowWeights<T> checked_weights(const DataSource<T>& x, const std::vector<double>& weights) {
  const Communicator& comm = x.communicator();
  RowWeights<T> result{.given = true};
  std::vector<Index> wrong;
  Index positive = 0;
  comm.agree([&] {
    for (const double weight : weights) {
      const T value = static_cast<T>(weight);
      // What is no normal number of this type has lost digits, or is 0 and says something else.
      if (!std::isfinite(value) || weight < 0 || (weight > 0 && value < std::numeric_limits<T>::min()))
        wrong.push_back(static_cast<Index>(result.of_rows.size()));
      if (value > T{0}) ++positive;
      result.of_rows.push_back(value);
    }
  });
  refuse_first_row(comm, x.partition(), wrong, [&](Index row, Index local_row) {
    const double weight = weights[static_cast<std::size_t>(local_row)];
    if (std::isfinite(weight) && weight > 0)
      return fmt::format(
          "sample weight {} of row {} (counted from 0) is beyond the numbers of {}: multiply all "
          "weights by one number, or use float64 (--dtype float64)",
          weight, row, name_of(data_type_of<T>));
    return fmt::format("sample weight {} of row {} (counted from 0) is not a finite number >= 0", weight, row);
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
  if (options.keep_empty_columns) return;
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
  data::RowWeights<T> checked;
  if (weights) checked = data::checked_weights(*x, *weights);
  Observation observation;
  if (options.observed != Observed::all) observation = data::counted(*x, options.observed, checked);
  if (observation.missing == 0 && !weights) return x;
  if (observation.missing == 0) observation = data::all_observed(*x, checked);
  if (observation.missing > 0 && !options.keep_empty)
    data::refuse_empty(x->communicator(), x->partition(), observation, options);
  return std::make_unique<data::ObservedSource<T>>(std::move(x), std::move(checked.of_rows), std::move(observation));
}

template std::unique_ptr<DataSource<float>> observed_source(std::unique_ptr<DataSource<float>>, const ObserveOptions&,
                                                            std::optional<std::vector<double>>);
template std::unique_ptr<DataSource<double>> observed_source(std::unique_ptr<DataSource<double>>, const ObserveOptions&,
                                                             std::optional<std::vector<double>>);

}  // namespace scanmf
