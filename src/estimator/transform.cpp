#include <fmt/format.h>

#include <cmath>

#include "estimator/transform_problem.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

template <Scalar T>
void check(const DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters) {
  const Shape shape = x.shape();
  if (shape.columns != Ht.rows())
    throw AgreedError(fmt::format("X has {} features, but {} is expecting {} features as input.", shape.columns,
                                  class_name(parameters.estimator), Ht.rows()));
  if (parameters.estimator == Estimator::nmf && !loss_of(parameters.beta_loss).allows_zeros &&
      x.summary().has_zeros(shape))
    throw AgreedError(
        "When beta_loss <= 0 and X contains zeros, the solver may diverge. Please add small values to X, or use a "
        "positive beta_loss.");
}

/// Collective. True when W is held and X visited in passes: X in memory; or where X is read once to form X·Hᵀ (β = 2)
/// and not again, not even by the stop rule, if there is room for that and W.
template <Scalar T>
bool by_passes(const DataSource<T>& x, const TransformProblem<T>& problem, std::optional<Index> memory) {
  if (x.in_memory()) return true;
  if (problem.solver().loss.weights || problem.evaluates()) return false;
  const Index k = problem.solver().components;
  const Index bytes = 2 * x.local_rows() * k * static_cast<Index>(sizeof(T)) + x.bytes();
  const bool fits = !memory || bytes <= *memory;
  return x.communicator().template max<Index>(fits ? 0 : 1) == 0;
}

/// Multiplicative updates without a stop rule look at no sum that would show it.
template <Scalar T>
void require_finite_W(MatrixView<const T> rows, Index first_row) {
  for (Index i = 0; i < rows.rows; ++i)
    for (Index c = 0; c < rows.columns; ++c)
      if (!std::isfinite(rows(i, c)))
        throw Error(fmt::format("row {} of W became {}: {}", first_row + i, std::isnan(rows(i, c)) ? "NaN" : "infinite",
                                outgrown));
}

/// Calls body(first global row, rows of W) for this rank's pieces of all batches.
template <Scalar T, class Body>
void for_each_piece(const DataSource<T>& x, Body&& body) {
  const int rank = x.communicator().rank();
  for (Index batch = 0; batch < x.partition().batches(); ++batch) {
    const Range rows = x.partition().piece(batch, rank);
    const Index local = x.partition().local_begin(batch, rank);
    if (!rows.empty()) body(rows.begin, Range{local, local + rows.size()});
  }
}

void warn_of_limit(Index updates, const Parameters& parameters) {
  if (parameters.estimator == Estimator::nmf && updates == parameters.max_iter && parameters.tol > 0)
    log_warning(fmt::format("Maximum number of iterations {} reached. Increase it to improve convergence.",
                            parameters.max_iter));
}

/// The updates done; throws when there are none because the run was asked to stop.
Index finished(std::optional<Index> updates, const RunControl& control) {
  if (!updates) throw AgreedError("stopped before W was solved for", ExitStatus::stopped);
  if (control.report != nullptr) control.report->updates = *updates;
  return *updates;
}

template <Scalar T>
std::optional<Index> solve_by_passes(PassRunner<T>& runner, TransformProblem<T>& problem, MatrixView<T> W,
                                     const RunControl& control) {
  const auto stop = [](Index, const Requests& requests) { return requests.stop; };
  return transform_by_passes(runner, problem, W, control, {0, stop});
}

}  // namespace

template <Scalar T>
void transform(DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, const Seed& seed,
               const RowsWriter<T>& write, std::optional<Index> memory, const RunControl& control) {
  check(x, Ht, parameters);
  PassRunner<T> runner(x, FitControl<T>(control));
  TransformProblem<T> problem(x, Ht, parameters, seed);
  if (!by_passes(x, problem, memory)) {
    const auto write_block = [&](Index, Index global_row, MatrixView<const T> rows) {
      require_finite_W(rows, global_row);
      write(global_row, rows);
    };
    warn_of_limit(
        finished(transform_by_blocks<T>(runner, problem, write_block, control, control.stop_requested), control),
        parameters);
    runner.settle();
    return;
  }
  Matrix<T> W(x.local_rows(), Ht.columns());
  warn_of_limit(finished(solve_by_passes<T>(runner, problem, W.view(), control), control), parameters);
  runner.settle();
  const PhaseTimer timer(runner.times(), Phase::write);
  x.communicator().agree([&] {
    for_each_piece(x, [&](Index global_row, Range rows) {
      const MatrixView<const T> w = W.view().middle_rows(rows);
      require_finite_W(w, global_row);
      write(global_row, w);
    });
  });
}

template <Scalar T>
Matrix<T> transform(DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, const Seed& seed,
                    const RunControl& control) {
  check(x, Ht, parameters);
  PassRunner<T> runner(x, FitControl<T>(control));
  TransformProblem<T> problem(x, Ht, parameters, seed);
  Matrix<T> W(x.local_rows(), Ht.columns());
  const auto keep = [&](Index local_row, Index, MatrixView<const T> rows) {
    std::copy_n(rows.data, rows.rows * rows.columns, W.row(local_row));
  };
  const bool passes = by_passes<T>(x, problem, std::nullopt);
  const Index updates =
      finished(passes ? solve_by_passes<T>(runner, problem, W.view(), control)
                      : transform_by_blocks<T>(runner, problem, keep, control, control.stop_requested),
               control);
  runner.settle();
  x.communicator().agree([&] {
    for_each_piece(x,
                   [&](Index global_row, Range rows) { require_finite_W<T>(W.view().middle_rows(rows), global_row); });
  });
  warn_of_limit(updates, parameters);
  return W;
}

template void transform(DataSource<float>&, const Matrix<float>&, const Parameters&, const Seed&,
                        const RowsWriter<float>&, std::optional<Index>, const RunControl&);
template void transform(DataSource<double>&, const Matrix<double>&, const Parameters&, const Seed&,
                        const RowsWriter<double>&, std::optional<Index>, const RunControl&);
template Matrix<float> transform(DataSource<float>&, const Matrix<float>&, const Parameters&, const Seed&,
                                 const RunControl&);
template Matrix<double> transform(DataSource<double>&, const Matrix<double>&, const Parameters&, const Seed&,
                                  const RunControl&);

}  // namespace scanmf
