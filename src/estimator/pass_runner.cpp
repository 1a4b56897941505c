#include "estimator/pass_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <iterator>
#include <limits>

namespace scanmf {

namespace {

/// Whether no element is NaN or infinite. Zero times the one or the other is NaN, and a sum of zeros is quicker than a test of each.
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
PassRunner<T>::PassRunner(DataSource<T>& x, Index n_components, const FitControl<T>& control)
    : x_(x),
      n_components_(n_components),
      control_(control),
      report_(control.report != nullptr ? *control.report : own_report_),
      column_offsets_(slice_offsets(x.shape().columns, x.communicator().size())),
      slice_before_(slice().size(), n_components) {}

template <Scalar T>
Range PassRunner<T>::slice() const {
  const auto rank = static_cast<std::size_t>(x_.communicator().rank());
  return {column_offsets_[rank], column_offsets_[rank + 1]};
}

template <Scalar T>
void PassRunner<T>::count(const Block<T>& block, const PassOptions& options, Index products) {
  const Index elements = std::visit(
      [](const auto& m) {
        if constexpr (requires { m.packed; })
          return m.rows * m.columns;
        else
          return m.row_begin[m.rows] - m.row_begin[0];
      },
      block.matrix);
  const bool dense = std::holds_alternative<DenseBlock<T>>(block.matrix);
  const double product = 2.0 * static_cast<double>(elements) * static_cast<double>(n_components_);
  const double half = weighted_ ? 2 * product : product;  // W·H comes first when β is not 2
  report_.block_flops +=
      (options.update_W ? static_cast<double>(products) * half : 0) + (options.accumulate ? half : 0) + (options.divergence ? product : 0);
  const double sweeps = dense ? 1 : static_cast<double>(options.update_W) + static_cast<double>(options.accumulate || options.divergence);
  report_.block_bytes += sweeps * static_cast<double>(elements) * static_cast<double>(sizeof(T) + (dense ? 0 : sizeof(std::int32_t)));
}

template <Scalar T>
void PassRunner<T>::visit(UpdateRule<T>& rule, Index batch, MatrixView<T> W, const PassOptions& options) {
  if (rule.needs_X()) {
    x_.visit(batch, [&](const Block<T>& block) {
      rule.visit(block, W.middle_rows({block.local_row, block.local_row + block.rows()}));
      count(block, options);
    });
    return;
  }
  const RowPartition& partition = x_.partition();
  const int rank = x_.communicator().rank();
  const Range piece = partition.piece(batch, rank);
  const Index begin = partition.local_begin(batch, rank);
  const Index first_tile = (piece.begin - partition.batch(batch).begin) / partition.tile_rows();
  rule.visit_without_X(begin, first_tile, partition.tile_rows(), W.middle_rows({begin, begin + piece.size()}));
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
void PassRunner<T>::over(UpdateRule<T>& rule, Range batches, MatrixView<T> W, PassOptions options) {
  options.rows = rows_of(batches);
  weighted_ = rule.beta() != 2;
  const std::exception_ptr failure = timed(options.update_W ? Phase::solve_blocks : Phase::evaluate, [&] {
    if (x_.exchanges())  // no rank may be missing in the visits
      x_.communicator().agree([&] { rule.begin_pass(options); });
    else
      rule.begin_pass(options);
    for (Index batch = batches.begin; batch < batches.end; ++batch) visit(rule, batch, W, options);
    rule.end_pass();
  });
  const PhaseTimer timer(report_.times, Phase::communicate);
  const std::span<double> sums = rule.small_sums();
  sums[static_cast<std::size_t>(PassSum::failed)] = failure ? 1 : 0;
  sums[static_cast<std::size_t>(PassSum::stop_requested)] = control_.stop_requested && control_.stop_requested() ? 1 : 0;
  sums[static_cast<std::size_t>(PassSum::checkpoint_due)] = control_.checkpoint_due && control_.checkpoint_due() ? 1 : 0;
  account(report_.allreduce, sums.size_bytes(), [&] { x_.communicator().allreduce_sum(sums); });
  sums_are_finite_ = std::ranges::all_of(sums, [](double sum) { return std::isfinite(sum); });
  if (rule.sum(PassSum::failed) > 0) {
    x_.communicator().agree([&] {
      if (failure) std::rethrow_exception(failure);
    });
  }
}

template <Scalar T>
bool PassRunner<T>::over_blocks(const UpdateRule<T>& rule, Range batches, const std::function<Index(const Block<T>&)>& solve,
                                const std::function<bool()>& stop_requested) {
  weighted_ = rule.beta() != 2;
  bool stopped = false;
  const std::exception_ptr failure = timed(Phase::solve_blocks, [&] {
    std::exception_ptr failed;
    for (Index batch = batches.begin; batch < batches.end && !failed && !stopped; ++batch) {
      try {
        x_.visit(batch, [&](const Block<T>& block) {
          const Index updates = solve(block);
          count(block, {.update_W = true, .accumulate = false}, weighted_ ? updates : 1);
        });
      } catch (...) {
        failed = std::current_exception();
      }
      if (stop_requested) stopped = x_.communicator().template max<Index>(failed || stop_requested() ? 1 : 0) > 0;  // a failure ends it for all, too
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
void PassRunner<T>::set_H(UpdateRule<T>& rule, const Matrix<T>& Ht) {
  std::vector<double> sums = rule.sums_over_H(Ht.view().middle_rows(slice()));
  x_.communicator().allreduce_sum(std::span<double>(sums));
  rule.set_H(Ht, sums);
}

template <Scalar T>
HUpdate PassRunner<T>::update_H(UpdateRule<T>& rule, Matrix<T>& Ht) {
  const Communicator& comm = x_.communicator();
  std::vector<Index> offsets;
  for (const Index offset : column_offsets_) offsets.push_back(offset * n_components_);
  {
    const PhaseTimer timer(report_.times, Phase::communicate);
    for (const MatrixView<T>& sum : rule.large_sums()) {
      const std::span<T> all(sum.data, static_cast<std::size_t>(sum.rows * sum.columns));
      account(report_.reduce_scatter, all.size_bytes(), [&] { comm.reduce_scatter_sum(all, offsets); });
    }
  }
  const MatrixView<T> ht_slice = Ht.view().middle_rows(slice());
  std::vector<double> sums;  // violation, change, those of H
  {
    const PhaseTimer timer(report_.times, Phase::update_h);
    std::copy_n(ht_slice.data, ht_slice.rows * n_components_, slice_before_.data());
    const double violation = rule.finish_pass(ht_slice, slice());
    sums = {sums_are_finite_ && is_finite<T>(ht_slice) ? violation : std::numeric_limits<double>::quiet_NaN(),
            distance_squared<T>(ht_slice, slice_before_.view())};
    std::ranges::copy(rule.sums_over_H(ht_slice), std::back_inserter(sums));
  }
  {
    const PhaseTimer timer(report_.times, Phase::communicate);
    account(report_.allgather, Ht.span().size_bytes(), [&] { comm.allgather(Ht.span(), offsets); });
    account(report_.allreduce, sums.size() * sizeof(double), [&] { comm.allreduce_sum(std::span<double>(sums)); });
  }
  const PhaseTimer timer(report_.times, Phase::update_h);
  rule.set_H(Ht, std::span<const double>(sums).subspan(2));
  return {sums[0], sums[1]};
}

template <Scalar T>
double PassRunner<T>::divergence(UpdateRule<T>& rule, MatrixView<T> W) {
  over_all(rule, W, {.update_W = false, .accumulate = false, .divergence = true});
  return rule.divergence();
}

void require_finite(double value, const char* what, const char* unit, Index iteration) {
  if (std::isfinite(value)) return;
  throw AgreedError(fmt::format("the {} became {} in {} {}: {}", what, std::isnan(value) ? "NaN" : "infinite", unit, iteration, outgrown));
}

template class PassRunner<float>;
template class PassRunner<double>;

}  // namespace scanmf
