#include "estimator/pass_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "core/contract.hpp"
#include "scanmf/linalg/unread_block.hpp"

namespace scanmf {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Whether no element is NaN or infinite. Zero times the one or the other is NaN, and a sum of zeros is quicker than a
/// test of each.
template <Scalar T>
bool is_finite(MatrixView<const T> matrix) {
  T sum = 0;
  for (Index i = 0; i < matrix.rows; ++i) {
    const T* const row = matrix.row(i);
#pragma omp simd reduction(+ : sum)
    for (Index c = 0; c < matrix.columns; ++c) sum += T{0} * row[c];
  }
  return sum == T{0};
}

/// Collective in debug builds. Ends the process where an array that is to be the same on all ranks is not.
template <Scalar T>
void expect_replicated(const Communicator& comm, std::span<const T> values) {
  if constexpr (contracts_are_checked) {
    Index sum = 0;
    for (const std::byte byte : std::as_bytes(values)) sum = (sum * 31 + std::to_integer<Index>(byte)) % 1000000007;
    expect(comm.max(sum) == sum && comm.max(-sum) == -sum, "H is the same on all ranks");
  }
}

/// Calls a collective function on `bytes` bytes and adds to its cost.
template <class Call>
void account(CollectiveCost& cost, std::size_t bytes, Call&& call) {
  const Timer timer;
  call();
  cost.seconds += timer.seconds();
  cost.bytes += static_cast<double>(bytes);
  ++cost.calls;
}

Index groups_of(Index some, Index columns) { return (some + column_group(columns) - 1) / column_group(columns); }
std::vector<Index> groups_of(std::vector<Index> offsets, Index columns) {
  for (Index& offset : offsets) offset = groups_of(offset, columns);
  return offsets;
}

/// The rows of a piece, whose elements are not looked at. starts: becomes where its tiles begin, if they are not cut by
/// the rule of the partition.
template <Scalar T>
Block<T> rows_alone(const RowPartition& partition, Index batch, int rank, Index columns,
                    std::vector<TileStart>& starts) {
  const Range piece = partition.piece(batch, rank);
  Block<T> block = unread_block<T>(piece.size(), columns, partition.tile_rows());
  block.local_row = partition.local_begin(batch, rank);
  block.global_row = piece.begin;
  block.first_tile = partition.tile_in_batch(piece.begin);
  block.tiles_a_stratum = partition.tiles_a_stratum();
  block.first_tiles = partition.first_tiles();
  if (partition.is_regular()) return block;
  const Range strata = partition.strata_of(rank);
  for (Index stratum = strata.begin; stratum < strata.end; ++stratum) {
    const Range rows = partition.rows_of_stratum(stratum);
    for (Index row = rows.begin; row < rows.end; row += partition.tile_rows())
      starts.push_back({row - piece.begin, stratum});
  }
  block.starts = starts;
  return block;
}

}  // namespace

template <Scalar T>
PassRunner<T>::PassRunner(DataSource<T>& x, const FitControl<T>& control)
    : x_(x),
      control_(control),
      report_(control.report != nullptr ? *control.report : own_report_),
      column_offsets_(column_slices(x.shape().columns, x.communicator().size())),
      over_strata_(x.communicator(), x.partition().strata(),
                   {x.partition().cuts().begin(), x.partition().cuts().end()}),
      over_columns_(x.communicator(), groups_of(x.shape().columns, x.shape().columns),
                    groups_of(column_offsets_, x.shape().columns)) {}

template <Scalar T>
Range PassRunner<T>::slice() const {
  const auto rank = static_cast<std::size_t>(x_.communicator().rank());
  return {column_offsets_[rank], column_offsets_[rank + 1]};
}

template <Scalar T>
void PassRunner<T>::guard(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    if (!pending_) pending_ = std::current_exception();
  }
}

template <Scalar T>
void PassRunner<T>::settle() {
  x_.communicator().agree([&] {
    if (pending_) std::rethrow_exception(std::exchange(pending_, nullptr));
  });
}

template <Scalar T>
void PassRunner<T>::count(const Block<T>& block, const RowSolver<T>& solver, const PassOptions& options,
                          Index updates) {
  const auto elements = static_cast<double>(block.elements());
  const bool dense = block.kind() == StorageKind::dense;
  const double product = 2.0 * elements * static_cast<double>(solver.components);
  const double half = static_cast<double>(solver.loss.products()) * product;
  report_.block_flops += (options.update_W ? static_cast<double>(updates) * half : 0) +
                         (options.accumulate ? half : 0) + (options.divergence ? product : 0);
  const double sweeps =
      dense ? 1 : static_cast<double>(options.update_W) + static_cast<double>(options.accumulate || options.divergence);
  report_.block_bytes += sweeps * elements * static_cast<double>(sizeof(T) + (dense ? 0 : sizeof(std::int32_t)));
}

template <Scalar T>
void PassRunner<T>::begin(std::span<Visit<T>> visits) {
  for (Visit<T>& visit : visits) {
    visit.options.rows = rows_of(visit.batches);
    visit.options.update_W = visit.W.are_updated();
    visit.options.strata = strata_of(visit.batches);
    visit.pass->begin(visit.options);
  }
}

template <Scalar T>
void PassRunner<T>::visit(Index batch, std::span<Visit<T>> visits) {
  std::vector<const Visit<T>*> reading;
  for (const Visit<T>& visit : visits) {
    if (batch < visit.batches.begin || batch >= visit.batches.end) continue;
    if (visit.pass->needs_X()) {
      reading.push_back(&visit);
      continue;
    }
    std::vector<TileStart> starts;
    const Block<T> rows = rows_alone<T>(x_.partition(), batch, x_.communicator().rank(), x_.shape().columns, starts);
    visit.pass->visit_without_X(rows, visit.W.middle_rows({rows.local_row, rows.local_row + rows.rows()}));
  }
  if (reading.empty()) return;
  x_.visit(batch, [&](const Block<T>& block) {
    for (const Visit<T>* visit : reading) visit->pass->begin_block(block);
    for_each_tile(reading.front()->pass->team(), block,
                  [&](int thread, const TilePlace& place, const TileView<T>& tile) {
                    const Index first_row = block.local_row + place.row;
                    const Range rows{first_row, first_row + tile.rows()};
                    for (const Visit<T>* visit : reading)
                      visit->pass->visit_tile(thread, place, tile, visit->W.middle_rows(rows), first_row);
                  });
    for (const Visit<T>* visit : reading) {
      visit->pass->end_block(block);
      count(block, visit->pass->solver(), visit->options);
    }
  });
}

template <Scalar T>
template <class VisitAll>
std::exception_ptr PassRunner<T>::timed(Phase phase, VisitAll&& visit_all) {
  std::exception_ptr failure;
  const double waited_before = x_.seconds_waited();
  const ExchangeCost exchanged_before = x_.exchange_cost();
  {
    const PhaseTimer timer(report_.times, phase);
    try {
      visit_all();
    } catch (...) {
      failure = std::current_exception();
    }
  }
  ++report_.passes;
  const double waited = x_.seconds_waited() - waited_before;
  report_.times[phase] -= waited;
  report_.times[Phase::wait_for_data] += waited;
  const ExchangeCost exchanged = x_.exchange_cost();
  const double exchanging = exchanged.seconds - exchanged_before.seconds;
  report_.times[phase] -= exchanging;
  report_.times[Phase::communicate] += exchanging;
  report_.exchange.seconds += exchanging;
  report_.exchange.calls += exchanged.calls - exchanged_before.calls;
  report_.exchange.bytes += static_cast<double>(exchanged.bytes - exchanged_before.bytes);
  return failure;
}

template <Scalar T>
Requests PassRunner<T>::over(Pass<T>& pass, Range batches, const RowsOfW<T>& W, const PassOptions& options) {
  Visit<T> visit{&pass, batches, W, options};
  return over(std::span(&visit, 1));
}

template <Scalar T>
Requests PassRunner<T>::over(std::span<Visit<T>> visits) {
  const auto updates_W = [](const Visit<T>& visit) { return visit.W.are_updated(); };
  const std::exception_ptr failure =
      timed(std::ranges::any_of(visits, updates_W) ? Phase::solve_blocks : Phase::evaluate, [&] {
        const auto begin_all = [&] {
          if (pending_) std::rethrow_exception(std::exchange(pending_, nullptr));
          begin(visits);
        };
        if (x_.exchanges())  // no rank may be missing in the visits
          x_.communicator().agree(begin_all);
        else
          begin_all();
        Range batches = visits.front().batches;
        for (const Visit<T>& visit : visits)
          batches = {std::min(batches.begin, visit.batches.begin), std::max(batches.end, visit.batches.end)};
        for (Index batch = batches.begin; batch < batches.end; ++batch) visit(batch, visits);
        for (const Visit<T>& visit : visits) visit.pass->end();
      });
  const PhaseTimer timer(report_.times, Phase::communicate);
  return sum_over_ranks(visits, failure);
}

template <Scalar T>
void PassRunner<T>::sum(const NodeTotals& own, Totals& totals) {
  std::vector<std::vector<double>> numbers;
  std::vector<NodeValues<double>> nodes;
  for (const auto& [node, of_node] : own) numbers.emplace_back(of_node.all().begin(), of_node.all().end());
  for (std::size_t i = 0; i < own.size(); ++i) nodes.push_back({own[i].first, numbers[i]});
  account(report_.allreduce, totals.all().size_bytes(), [&] { over_strata_.to_all(nodes, totals.all()); });
}

template <Scalar T>
Requests PassRunner<T>::sum_over_ranks(std::span<Visit<T>> visits, std::exception_ptr failure) {
  Requests requests;
  try {
    requests.stop = control_.stop_requested && control_.stop_requested();
    requests.checkpoint = control_.checkpoint_due && control_.checkpoint_due();
  } catch (...) {
    failure = failure ? failure : std::current_exception();
  }
  std::array<int, 3> flags{failure ? 1 : 0, requests.stop ? 1 : 0, requests.checkpoint ? 1 : 0};
  account(report_.allreduce, sizeof(flags), [&] { x_.communicator().allreduce_max(std::span<int>(flags)); });
  if (flags[0] > 0) {
    x_.communicator().agree([&] {
      if (failure) std::rethrow_exception(failure);
    });
  }
  for (const Visit<T>& visit : visits) {
    Pass<T>& pass = *visit.pass;
    std::vector<NodeValues<double>> nodes;
    for (const auto& [node, sums] : pass.sums().nodes()) nodes.push_back({node, sums->totals.all()});
    account(report_.allreduce, pass.totals().all().size_bytes(),
            [&] { over_strata_.to_all(nodes, pass.totals().all()); });
  }
  return {flags[1] > 0, flags[2] > 0};
}

template <Scalar T>
bool PassRunner<T>::over_blocks(const RowSolver<T>& solver, Range batches,
                                const std::function<Index(const Block<T>&)>& solve,
                                const std::function<bool()>& stop_requested) {
  bool stopped = false;
  const std::exception_ptr failure = timed(Phase::solve_blocks, [&] {
    if (x_.exchanges()) settle();  // no rank may be missing in the visits
    std::exception_ptr failed = std::exchange(pending_, nullptr);
    const auto attempt = [&](const auto& work) {
      try {
        work();
      } catch (...) {
        failed = failed ? failed : std::current_exception();
      }
    };
    for (Index batch = batches.begin; batch < batches.end && !failed && !stopped; ++batch) {
      attempt([&] {
        x_.visit(batch, [&](const Block<T>& block) {
          const Index updates = solve(block);
          count(block, solver, {.update_W = true, .accumulate = false}, solver.loss.weights ? updates : 1);
        });
      });
      if (!stop_requested) continue;
      bool asked = false;
      attempt([&] { asked = stop_requested(); });
      stopped = x_.communicator().template max<Index>(failed || asked ? 1 : 0) > 0;  // a failure ends it for all, too
    }
    if (failed) std::rethrow_exception(failed);
  });
  const PhaseTimer timer(report_.times, Phase::communicate);
  x_.communicator().agree([&] {
    if (failure) std::rethrow_exception(failure);
  });
  return !stopped;
}

template <Scalar T>
void PassRunner<T>::set_H(RowSolver<T>& solver, const Matrix<T>& Ht) {
  guard([&] {
    sum_over_columns(column_sums_, Ht.rows(), slice(), solver.h.size_of_sums(),
                     [&](int thread, Range columns, Index group, double* numbers) {
                       solver.h.add_sums(thread, Ht.view().middle_rows(columns), group, numbers);
                     });
  });
  const std::vector<double> sums = numbers_of_columns(solver.h.size_of_sums());
  expect_replicated(x_.communicator(), Ht.span());
  guard([&] { solver.set_H(Ht, sums); });
}

template <Scalar T>
std::vector<double> PassRunner<T>::numbers_of_columns(std::size_t count) {
  std::vector<double> nothing(count);  // of nodes that are missing because something has failed
  std::vector<NodeValues<double>> nodes;
  for (const TreeNode node : over_columns_.own_nodes()) {
    ColumnNumbers* const numbers = column_sums_.find(node);
    nodes.push_back({node, numbers == nullptr ? nothing : numbers->values});
  }
  std::vector<double> sums(count);
  account(report_.allreduce, count * sizeof(double), [&] { over_columns_.to_all(nodes, std::span<double>(sums)); });
  return sums;
}

template <Scalar T>
void PassRunner<T>::share_out(const Pass<T>& pass, Accumulator<T> PassSums<T>::*statistic, MatrixView<T> total) {
  if (total.data == nullptr) return;
  std::vector<Matrix<T>> further;  // the first node's has its place in the total
  std::vector<NodeValues<T>> nodes;
  {
    const PhaseTimer timer(report_.times, Phase::solve_blocks);
    for (const auto& [node, sums] : pass.sums().nodes()) {
      MatrixView<T> values = total;
      if (!nodes.empty()) values = further.emplace_back(total.rows, total.columns).view();
      (sums->*statistic).copy_to(values);
      nodes.push_back({node, {values.data, static_cast<std::size_t>(values.rows * values.columns)}});
    }
  }
  sum_to_slices(nodes, total);
}

template <Scalar T>
void PassRunner<T>::share_out_grams(const Pass<T>& pass, MatrixView<T> total) {
  if (total.data == nullptr) return;
  std::vector<NodeValues<T>> nodes;
  for (const auto& [node, grams] : pass.column_grams().nodes()) nodes.push_back({node, grams->all()});
  sum_to_slices(nodes, total);
}

template <Scalar T>
void PassRunner<T>::sum_to_slices(std::span<const NodeValues<T>> nodes, MatrixView<T> total) {
  const PhaseTimer timer(report_.times, Phase::communicate);
  std::vector<Index> offsets;
  for (const Index offset : column_offsets_) offsets.push_back(offset * total.columns);
  const std::span<T> all(total.data, static_cast<std::size_t>(total.rows * total.columns));
  account(report_.reduce_scatter, all.size_bytes(), [&] { over_strata_.to_slices<T>(nodes, offsets, all); });
}

template <Scalar T>
HUpdate PassRunner<T>::update_H(Pass<T>& pass, FactorUpdate<T>& factor, Matrix<T>& Ht) {
  const Communicator& comm = x_.communicator();
  share_out(pass, &PassSums<T>::numerator, pass.numerator());
  share_out(pass, &PassSums<T>::denominator, pass.denominator());
  share_out_grams(pass, pass.grams());
  std::exception_ptr failure;
  int unsound = 0;
  try {
    const PhaseTimer timer(report_.times, Phase::update_h);
    unsound = update_slice(pass, factor, Ht.view().middle_rows(slice())) ? 0 : 1;
  } catch (...) {
    failure = std::current_exception();
    unsound = 2;
  }
  unsound = comm.max(unsound);
  if (unsound == 2) {
    comm.agree([&] {
      if (failure) std::rethrow_exception(failure);
    });
  }
  if (unsound == 1) return {not_a_number, not_a_number};
  std::vector<double> sums;
  {
    const PhaseTimer timer(report_.times, Phase::communicate);
    std::vector<Index> offsets;
    for (const Index offset : column_offsets_) offsets.push_back(offset * Ht.columns());
    account(report_.allgather, Ht.span().size_bytes(), [&] { comm.allgather(Ht.span(), offsets); });
    sums = numbers_of_columns(2 + pass.solver().h.size_of_sums());
  }
  expect_replicated(comm, std::as_const(Ht).span());
  const PhaseTimer timer(report_.times, Phase::update_h);
  guard([&] { pass.solver().set_H(Ht, std::span<const double>(sums).subspan(2)); });
  return {sums[0], sums[1]};
}

template <Scalar T>
bool PassRunner<T>::update_slice(Pass<T>& pass, FactorUpdate<T>& factor, MatrixView<T> ht_slice) {
  const MatrixView<T> before(slice_before_.reserve(ht_slice.rows * ht_slice.columns), ht_slice.rows, ht_slice.columns);
  std::copy_n(ht_slice.data, ht_slice.rows * ht_slice.columns, before.data);
  violations_.resize(static_cast<std::size_t>(ht_slice.rows));
  factor.update(ht_slice, slice(), pass.summed(), violations_.data());
  FixedH<T>& h = pass.solver().h;
  sum_over_columns(column_sums_, x_.shape().columns, slice(), 2 + h.size_of_sums(),
                   [&](int thread, Range columns, Index group, double* numbers) {
                     const Range rows{columns.begin - slice().begin, columns.end - slice().begin};
                     add_leaves(rows, group, {numbers, 2}, [&](Range leaf, double* of_leaf) {
                       for (Index j = leaf.begin; j < leaf.end; ++j)
                         of_leaf[0] += violations_[static_cast<std::size_t>(j)];
                       of_leaf[1] += distance_squared<T>(ht_slice.middle_rows(leaf), before.middle_rows(leaf));
                     });
                     h.add_sums(thread, ht_slice.middle_rows(rows), group, numbers + 2);
                   });
  return std::ranges::all_of(pass.totals().all(), [](double sum) { return std::isfinite(sum); }) &&
         is_finite<T>(ht_slice);
}

template <Scalar T>
double PassRunner<T>::divergence(Pass<T>& pass, MatrixView<const T> W) {
  over(pass, all_batches(), W, {.accumulate = false, .divergence = true});
  return pass.divergence();
}

void require_finite(double value, const char* what, const char* unit, Index iteration) {
  if (std::isfinite(value)) return;
  throw AgreedError(fmt::format("the {} became {} in {} {}: {}", what, std::isnan(value) ? "NaN" : "infinite", unit,
                                iteration, outgrown));
}

template class PassRunner<float>;
template class PassRunner<double>;

}  // namespace scanmf
