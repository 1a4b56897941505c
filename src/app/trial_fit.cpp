#include "app/trial_fit.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/with_scalar.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/data/rows_in_memory.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {
namespace {

constexpr double seconds_of_a_trial = 1;
constexpr Index fewest_iterations = 3;
constexpr std::uint32_t seed = 1;

/// Rows that are enough to outgrow the caches, and that a few iterations go through in a trial's time.
Index rows_to_try(const Workload& x) {
  constexpr double most_bytes = 256e6;
  constexpr double most_flops = 5e9;
  const double rows = std::min(most_bytes / x.row_bytes(), most_flops / x.row_flops());
  const Index all = x.batch_rows > 0 ? std::min(x.batch_rows, x.shape.rows) : x.shape.rows;
  return std::min(all, std::max<Index>(8, static_cast<Index>(rows)));
}

template <Scalar T>
std::unique_ptr<DataSource<T>> dense_rows(const Communicator& comm, const Workload& x, Index rows,
                                          const LoadOptions& options) {
  Matrix<T> values(rows, x.shape.columns);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < x.shape.columns; ++j)
      values(i, j) = static_cast<T>(counter_uniform(seed, 0, static_cast<std::uint64_t>(i * x.shape.columns + j)));
  return source_from_rows<T>(comm, values.view(), options);
}

/// As many elements in each row, one somewhere in each of as many equal parts of the columns.
template <Scalar T>
std::unique_ptr<DataSource<T>> sparse_rows(const Communicator& comm, const Workload& x, Index rows,
                                           const LoadOptions& options) {
  const double in_a_row = static_cast<double>(x.stored) / static_cast<double>(x.shape.rows);
  std::vector<T> values;
  std::vector<Index> columns;
  std::vector<Index> bounds{0};
  std::uint64_t draw = 0;
  const auto uniform = [&] { return counter_uniform(seed, 0, draw++); };
  for (Index i = 0; i < rows; ++i) {
    const auto count = static_cast<Index>(in_a_row + uniform());
    const double width = static_cast<double>(x.shape.columns) / static_cast<double>(std::max<Index>(count, 1));
    for (Index p = 0; p < count; ++p) {
      const auto column = static_cast<Index>(width * (static_cast<double>(p) + uniform()));
      columns.push_back(std::min(column, x.shape.columns - 1));
      values.push_back(static_cast<T>(1 + uniform()));
    }
    bounds.push_back(static_cast<Index>(columns.size()));
  }
  SparseRows given;
  given.rows = rows;
  given.columns = x.shape.columns;
  given.stored = bounds.back();
  given.type = sizeof(T) == sizeof(float) ? ElementType::float32 : ElementType::float64;
  given.index_type = ElementType::int64;
  given.values = values.data();
  given.indices = columns.data();
  given.bounds = bounds.data();
  return source_from_rows<T>(comm, given, options);
}

/// Seconds of the fastest iteration over so many rows: others may have been disturbed by what else runs here.
template <Scalar T>
double try_rows(const Communicator& comm, const Workload& x, Parameters parameters, Index rows) {
  LoadOptions options;
  if (x.batch_rows > 0) options.batch_rows = rows;
  const auto source =
      x.kind == StorageKind::dense ? dense_rows<T>(comm, x, rows, options) : sparse_rows<T>(comm, x, rows, options);
  parameters.n_components = x.components;
  parameters.init = Init::random;
  parameters.random_generator = RandomGenerator::counter;
  parameters.tol = 0;
  parameters.max_no_improvement.reset();
  parameters.batch_size = rows;
  parameters.max_iter = 1'000'000;
  std::vector<double> seconds;
  const Timer timer;
  FitControl<T> control;
  control.on_progress = [&](const Progress& now) { seconds.push_back(now.seconds); };
  control.stop_requested = [&] {
    return timer.seconds() > seconds_of_a_trial && static_cast<Index>(seconds.size()) >= fewest_iterations;
  };
  fit(*source, parameters, Seed(seed), {}, control);
  return *std::min_element(seconds.begin(), seconds.end());
}

}  // namespace

Speed measure_speed(const Communicator& comm, const Workload& x, const Parameters& parameters) {
  const auto threads = static_cast<double>(thread_count());
  const Index many = rows_to_try(x);
  const Index few = std::max<Index>(1, many / 4);
  return with_scalar(x.type, [&]<Scalar T>() -> Speed {
    const double long_time = try_rows<T>(comm, x, parameters, many);
    if (few == many) return {threads * long_time / static_cast<double>(many), 0};
    const double short_time = try_rows<T>(comm, x, parameters, few);
    const double row = std::max(0.0, long_time - short_time) / static_cast<double>(many - few);
    const double columns = std::max(0.0, long_time - row * static_cast<double>(many));
    return {threads * row, threads * columns};
  });
}

}  // namespace scanmf::app
