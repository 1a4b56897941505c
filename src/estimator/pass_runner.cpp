#include "estimator/pass_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "core/contract.hpp"

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

}  // namespace

template <Scalar T>
PassRunner<T>::PassRunner(DataSource<T>& x, const FitControl<T>& control)
    : x_(x),
      control_(control),
      report_(control.report != nullptr ? *control.report : own_report_),
      column_offsets_(slice_offsets(x.shape().columns, x.communicator().size())) {}

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
    const RowPartition& partition = x_.partition();
    const int rank = x_.communicator().rank();
    const Range piece = partition.piece(batch, rank);
    const Index first_row = partition.local_begin(batch, rank);
    const Index first_tile = (piece.begin - partition.batch(batch).begin) / partition.tile_rows();
    visit.pass->visit_without_X(first_row, first_tile, partition.tile_rows(),
                                visit.W.middle_rows({first_row, first_row + piece.size()}));
  }
  if (reading.empty()) return;
  x_.visit(batch, [&](const Block<T>& block) {
    for_each_tile(reading.front()->pass->team(), block, [&](int thread, Index row, const TileView<T>& tile) {
      const Index first_row = block.local_row + row;
      for (const Visit<T>* visit : reading)
        visit->pass->visit_tile(thread, tile, visit->W.middle_rows({first_row, first_row + tile.rows()}), first_row);
    });
    for (const Visit<T>* visit : reading) count(block, visit->pass->solver(), visit->options);
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
RunFlags PassRunner<T>::sum(Totals& totals, const RunFlags& flags) {
  const std::span<double> all = totals.all();
  std::vector<double> message(flags.begin(), flags.end());
  message.insert(message.end(), all.begin(), all.end());
  account(report_.allreduce, message.size() * sizeof(double),
          [&] { x_.communicator().allreduce_sum(std::span<double>(message)); });
  RunFlags agreed;
  std::copy_n(message.begin(), agreed.size(), agreed.begin());
  std::copy(message.begin() + agreed.size(), message.end(), all.begin());
  return agreed;
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
  const RunFlags flags{failure ? 1.0 : 0.0, requests.stop ? 1.0 : 0.0, requests.checkpoint ? 1.0 : 0.0};
  RunFlags agreed{};
  // A message for each fit, of the length that it has when it runs alone: by that, MPI chooses the order of its sums.
  for (const Visit<T>& visit : visits) agreed = sum(visit.pass->totals(), flags);
  if (agreed[0] > 0) {
    x_.communicator().agree([&] {
      if (failure) std::rethrow_exception(failure);
    });
  }
  return {agreed[1] > 0, agreed[2] > 0};
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
  std::vector<double> sums(solver.h.size_of_sums(), 0.0);
  guard([&] { sums = solver.h.sums_over(Ht.view().middle_rows(slice())); });
  x_.communicator().allreduce_sum(std::span<double>(sums));
  expect_replicated(x_.communicator(), Ht.span());
  guard([&] { solver.set_H(Ht, sums); });
}

template <Scalar T>
HUpdate PassRunner<T>::update_H(Pass<T>& pass, FactorUpdate<T>& factor, Matrix<T>& Ht) {
  const Communicator& comm = x_.communicator();
  const auto offsets_of = [this](Index elements_a_column) {
    std::vector<Index> offsets;
    for (const Index offset : column_offsets_) offsets.push_back(offset * elements_a_column);
    return offsets;
  };
  std::vector<double> sums(2 + pass.solver().h.size_of_sums(), 0.0);  // violation, change, those of H
  {
    const PhaseTimer timer(report_.times, Phase::communicate);
    const auto share_out = [&]<class U>(MatrixView<U> sum) {
      const std::span<U> all(sum.data, static_cast<std::size_t>(sum.rows * sum.columns));
      account(report_.reduce_scatter, all.size_bytes(), [&] { comm.reduce_scatter_sum(all, offsets_of(sum.columns)); });
    };
    for (const MatrixView<T>& sum : pass.statistics()) share_out(sum);
    if (pass.solver().loss.observed_grams) share_out(pass.grams());
  }
  std::exception_ptr failure;
  try {
    const PhaseTimer timer(report_.times, Phase::update_h);
    update_slice(pass, factor, Ht.view().middle_rows(slice()), sums);
  } catch (...) {
    failure = std::current_exception();
    sums[0] = not_a_number;
  }
  {
    const PhaseTimer timer(report_.times, Phase::communicate);
    account(report_.allgather, Ht.span().size_bytes(), [&] { comm.allgather(Ht.span(), offsets_of(Ht.columns())); });
    account(report_.allreduce, sums.size() * sizeof(double), [&] { comm.allreduce_sum(std::span<double>(sums)); });
  }
  if (std::isnan(sums[0])) {  // numbers that are not finite, or a rank that has failed
    comm.agree([&] {
      if (failure) std::rethrow_exception(failure);
    });
  }
  expect_replicated(comm, std::as_const(Ht).span());
  const PhaseTimer timer(report_.times, Phase::update_h);
  guard([&] { pass.solver().set_H(Ht, std::span<const double>(sums).subspan(2)); });
  return {sums[0], sums[1]};
}

template <Scalar T>
void PassRunner<T>::update_slice(Pass<T>& pass, FactorUpdate<T>& factor, MatrixView<T> ht_slice,
                                 std::span<double> sums) {
  const MatrixView<T> before(slice_before_.reserve(ht_slice.rows * ht_slice.columns), ht_slice.rows, ht_slice.columns);
  std::copy_n(ht_slice.data, ht_slice.rows * ht_slice.columns, before.data);
  const double violation = factor.update(ht_slice, slice(), pass.summed());
  const bool sound =
      std::ranges::all_of(pass.totals().all(), [](double sum) { return std::isfinite(sum); }) && is_finite<T>(ht_slice);
  sums[0] = sound ? violation : not_a_number;
  sums[1] = distance_squared<T>(ht_slice, before);
  std::ranges::copy(pass.solver().h.sums_over(ht_slice), sums.begin() + 2);
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
