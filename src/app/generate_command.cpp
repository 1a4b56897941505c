#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>

#include "app/commands.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "core/number_text.hpp"
#include "data/matrix_file_writer.hpp"
#include "linalg/lapack.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf::app {
namespace {

constexpr Index block_bytes = Index{1} << 26;  // of X at a time

enum Stream : std::uint64_t { stream_W, stream_H, stream_noise, stream_rows };

/// A stream of the core's counter-based numbers: nothing depends on who computes what.
class PlantedStream {
 public:
  PlantedStream(std::uint32_t seed, Stream stream, std::uint64_t first = 0)
      : seed_(seed), stream_(stream), first_(first) {}

  /// Uniform on (0, 1).
  double uniform(std::uint64_t index) const { return counter_uniform(seed_, stream_, first_ + index); }
  /// A factor's element: 0 with probability 1 − density, else exponential with mean 1.
  double element(std::uint64_t index, double density) const {
    const double u = uniform(index);
    return u >= density ? 0.0 : -std::log(u / density);
  }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t first_;
};

struct Plan {
  Shape shape;
  Index components = 0;
  std::uint32_t seed = 0;
  double noise = 0;
  double density = 0;
  hdf5::NumberLayout layout;
};

constexpr double density_of_W = 0.4;
constexpr double density_of_H = 0.5;

/// Rows [rows.begin, rows.end) of a planted factor of `columns` columns; each has at least one element > 0.
template <Scalar T>
Matrix<T> planted_rows(const Plan& plan, Stream stream, Range rows, Index columns, double density) {
  const PlantedStream random(plan.seed, stream);
  Matrix<T> factor(rows.size(), columns);
  Team().for_each(rows.size(), [&](Index i) {
    const Index row = rows.begin + i;
    for (Index c = 0; c < columns; ++c)
      factor(i, c) = static_cast<T>(
          random.element(static_cast<std::uint64_t>(row * columns + c), c == row % columns ? 1.0 : density));
  });
  return factor;
}

/// X = max(0, W·H + noise), uniform noise of standard deviation plan.noise times the mean of W·H.
template <Scalar T>
void add_noise(const Plan& plan, Index first_row, MatrixView<T> x) {
  if (plan.noise == 0) return;
  const double mean = static_cast<double>(plan.components) * density_of_W * density_of_H;
  const double half_width = std::sqrt(3.0) * plan.noise * mean;
  const PlantedStream random(plan.seed, stream_noise);
  Team().for_each(x.rows, [&](Index i) {
    const auto first = static_cast<std::uint64_t>(first_row + i) * static_cast<std::uint64_t>(x.columns);
    for (Index j = 0; j < x.columns; ++j) {
      const double value =
          static_cast<double>(x(i, j)) + half_width * (2 * random.uniform(first + static_cast<std::uint64_t>(j)) - 1);
      x(i, j) = static_cast<T>(std::max(0.0, value));
    }
  });
}

template <Scalar T>
constexpr hdf5::NumberType number_type =
    data_type_of<T> == DataType::float32 ? hdf5::NumberType::float32 : hdf5::NumberType::float64;

/// H (k × n) as planted.
template <Scalar T>
Matrix<T> planted_H(const Plan& plan) {
  // Drawn feature by feature, so that each feature has a component.
  const Matrix<T> Ht = planted_rows<T>(plan, stream_H, {0, plan.shape.columns}, plan.components, density_of_H);
  Matrix<T> H(plan.components, plan.shape.columns);
  for (Index j = 0; j < Ht.rows(); ++j) {
    for (Index c = 0; c < Ht.columns(); ++c) H(c, j) = Ht(j, c);
  }
  return H;
}

template <Scalar T>
void generate_dense(const Plan& plan, data::MatrixFileWriter& out) {
  const auto [rows, columns] = plan.shape;
  data::DenseWriter& X = out.dense("/X", plan.shape, number_type<T>, plan.layout);
  data::DenseWriter& true_W = out.dense("/truth/W", {rows, plan.components}, number_type<T>);
  const Matrix<T> H = planted_H<T>(plan);
  out.dense("/truth/H", {plan.components, columns}, number_type<T>).write_rows(0, plan.components, H.data());
  Index step = std::clamp<Index>(block_bytes / (columns * static_cast<Index>(sizeof(T))), 1, rows);
  if (!plan.layout.chunk.empty())
    step = std::min(rows, (step + plan.layout.chunk[0] - 1) / plan.layout.chunk[0] * plan.layout.chunk[0]);
  Matrix<T> x(step, columns);
  for (Index begin = 0; begin < rows; begin += step) {
    const Range block{begin, std::min(begin + step, rows)};
    const Matrix<T> W = planted_rows<T>(plan, stream_W, block, plan.components, density_of_W);
    const MatrixView<T> product = x.view().middle_rows({0, block.size()});
    multiply<T>(W.view(), H.view(), product);
    add_noise(plan, begin, product);
    X.write_rows(begin, block.size(), product.data);
    true_W.write_rows(begin, block.size(), W.data());
  }
}

/// A distribution over columns that numbers are drawn from.
class Distribution {
 public:
  explicit Distribution(std::span<const double> weights) : cumulative_(weights.size()), guide_(weights.size()) {
    std::partial_sum(weights.begin(), weights.end(), cumulative_.begin());
    std::size_t column = 0;
    for (std::size_t g = 0; g < guide_.size(); ++g) {
      while (column + 1 < cumulative_.size() && cumulative_[column] <= boundary(g)) ++column;
      guide_[g] = static_cast<std::int32_t>(column);
    }
  }

  /// The column at `u` on (0, 1) of the cumulative distribution: the search begins at the column of the largest
  /// boundary below u, so that it takes about one step however many columns there are (Chen & Asau 1974).
  std::int32_t draw(double u) const {
    const double target = u * cumulative_.back();
    auto column = static_cast<std::size_t>(
        guide_[std::min(static_cast<std::size_t>(u * static_cast<double>(guide_.size())), guide_.size() - 1)]);
    while (column > 0 && cumulative_[column - 1] > target) --column;  // rounding errors of the boundaries
    while (column + 1 < cumulative_.size() && cumulative_[column] <= target) ++column;
    return static_cast<std::int32_t>(column);
  }

 private:
  double boundary(std::size_t g) const {
    return cumulative_.back() * static_cast<double>(g) / static_cast<double>(guide_.size());
  }

  std::vector<double> cumulative_;
  std::vector<std::int32_t> guide_;
};

/// One for each component; rows of H get the sum 1.
std::vector<Distribution> distributions(Matrix<double>& H) {
  std::vector<Distribution> result;
  for (Index c = 0; c < H.rows(); ++c) {
    const std::span<double> row(H.row(c), static_cast<std::size_t>(H.columns()));
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    for (double& value : row) value /= sum;
    result.emplace_back(row);
  }
  return result;
}

/// A Poisson number: by counting exponential waiting times up to 30, beyond that the rounded normal approximation.
Index poisson(double mean, const PlantedStream& random, std::uint64_t& counter) {
  constexpr double largest_counted = 30;
  if (mean > largest_counted) {
    const double u = random.uniform(counter++);
    const double v = random.uniform(counter++);
    const double normal = std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
    return std::max<Index>(0, std::llround(mean + std::sqrt(mean) * normal));
  }
  Index count = 0;
  double time = -std::log(random.uniform(counter++));
  while (time < mean) {
    ++count;
    time -= std::log(random.uniform(counter++));
  }
  return count;
}

/// One document: its words' columns, ascending.
std::vector<std::int32_t> draw_row(const Plan& plan, Index row, const double* weights,
                                   const std::vector<Distribution>& topics, double mean_words) {
  const PlantedStream random(plan.seed, stream_rows, static_cast<std::uint64_t>(row) << 32U);
  std::uint64_t counter = 0;
  const Distribution mixture(std::span<const double>(weights, topics.size()));
  std::vector<std::int32_t> words(static_cast<std::size_t>(poisson(mean_words, random, counter)));
  for (std::int32_t& word : words) {
    const auto topic = static_cast<std::size_t>(mixture.draw(random.uniform(counter++)));
    word = topics[topic].draw(random.uniform(counter++));
  }
  std::sort(words.begin(), words.end());
  return words;
}

template <Scalar T>
void append_documents(const std::vector<std::vector<std::int32_t>>& documents, data::CsrWriter& csr) {
  std::vector<Index> lengths;
  std::vector<T> counts;
  std::vector<std::int32_t> columns;
  for (const auto& words : documents) {
    const std::size_t before = columns.size();
    for (const std::int32_t word : words) {
      if (columns.size() > before && columns.back() == word) {
        counts.back() += 1;
      } else {
        columns.push_back(word);
        counts.push_back(1);
      }
    }
    lengths.push_back(static_cast<Index>(columns.size() - before));
  }
  csr.append_rows(lengths, counts.data(), columns);
}

/// X is Poisson with mean W·H, H's rows being distributions over the columns and W's rows of sum density · columns:
/// drawn word by word.
template <Scalar T>
void generate_topics(const Plan& plan, data::MatrixFileWriter& out) {
  const auto [rows, columns] = plan.shape;
  const double mean_words = plan.density * static_cast<double>(columns);
  data::CsrWriter& X = out.csr("/X", plan.shape, number_type<T>);
  data::DenseWriter& true_W = out.dense("/truth/W", {rows, plan.components}, hdf5::NumberType::float64);
  Matrix<double> H = planted_H<double>(plan);
  const std::vector<Distribution> topics = distributions(H);
  out.dense("/truth/H", {plan.components, columns}, hdf5::NumberType::float64).write_rows(0, plan.components, H.data());
  const Index step =
      std::clamp<Index>(block_bytes / (static_cast<Index>(12 * mean_words) + 8 * plan.components + 64), 1, rows);
  for (Index begin = 0; begin < rows; begin += step) {
    const Range block{begin, std::min(begin + step, rows)};
    Matrix<double> W = planted_rows<double>(plan, stream_W, block, plan.components, density_of_W);
    std::vector<std::vector<std::int32_t>> documents(static_cast<std::size_t>(block.size()));
    Team().as_they_come(block.size(), [&](int, Index i) {
      const double sum = std::accumulate(W.row(i), W.row(i) + W.columns(), 0.0);
      documents[static_cast<std::size_t>(i)] = draw_row(plan, begin + i, W.row(i), topics, mean_words);
      for (Index c = 0; c < W.columns(); ++c) W(i, c) *= mean_words / sum;
    });
    append_documents<T>(documents, X);
    true_W.write_rows(begin, block.size(), W.data());
  }
}

/// The same on every rank.
Plan make_plan(const CommandLine& line) {
  Plan plan;
  plan.shape = {*line.number("n-samples"), *line.number("n-features")};
  plan.components = line.parameters(Estimator::nmf).n_components.value_or(components_to_plant);
  plan.noise = *parse_double(line.text("noise"));
  plan.density = *parse_double(line.text("density"));
  const auto chunk_rows = line.number("chunk-rows");
  const auto gzip = line.number("gzip");
  if (!chunk_rows && !gzip) return plan;
  constexpr Index good_chunk = Index{1} << 18;  // elements: about 1 to 2 MB
  const Index rows = chunk_rows.value_or(std::max<Index>(1, good_chunk / plan.shape.columns));
  plan.layout.chunk = {std::min(rows, plan.shape.rows), plan.shape.columns};
  plan.layout.gzip = static_cast<int>(gzip.value_or(0));
  return plan;
}

}  // namespace

int generate(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  Plan plan = make_plan(line);
  apply_threads(comm, line);
  const std::string target = line.text("output");
  check_output(comm, target, {});
  plan.seed = choose_seed(comm, line.parameters(Estimator::nmf));
  comm.agree([&] {  // one rank is enough: the disk sets the pace
    if (!comm.is_root()) return;
    data::MatrixFileWriter out(target);
    with_scalar(choose_dtype(line, DataType::float32), [&]<Scalar T>() {
      line.text("kind") == "dense" ? generate_dense<T>(plan, out) : generate_topics<T>(plan, out);
      return 0;
    });
    out.commit();
    log.print(fmt::format("X of {} x {} with {} planted components (/truth): {}\n", plan.shape.rows, plan.shape.columns,
                          plan.components, target));
  });
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
