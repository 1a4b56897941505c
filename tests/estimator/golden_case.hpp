#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/hdf5.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/estimator.hpp"

namespace scanmf::test {

inline const std::string golden_file = SCANMF_TEST_DATA "/golden.h5";

/// An array of a golden file, as float64; two-dimensional unless said otherwise.
struct GoldenArray {
  std::vector<Index> dimensions;
  std::vector<double> values;
};

/// One run of scikit-learn: its input, its parameters, its results, and how far correct programs may be from them.
/// Replicated.
class GoldenCase {
 public:
  explicit GoldenCase(std::string name) : file_(hdf5::File::open(golden_file)), group_("/cases/" + std::move(name)) {}

  const std::string& group() const { return group_; }
  bool has(const std::string& dataset) const { return file_.exists(path(dataset)); }
  bool has_attribute(const std::string& attribute) const { return file_.has_attribute(group_, attribute); }

  double number(const std::string& attribute) const {
    const auto value = file_.read_attribute(group_, attribute);
    if (const auto* integer = std::get_if<Index>(&value.value())) return static_cast<double>(*integer);
    return std::get<double>(value.value());
  }
  Index count(const std::string& attribute) const { return static_cast<Index>(number(attribute)); }
  std::string text(const std::string& attribute) const {
    return file_.read_string_attribute(group_, attribute).value();
  }

  GoldenArray array(const std::string& dataset) const {
    const auto source = file_.dataset(path(dataset));
    return {source.dimensions(), source.read_all<double>()};
  }
  std::vector<std::string> members(const std::string& dataset) const {
    return has(dataset) ? file_.members(path(dataset)) : std::vector<std::string>{};
  }

  /// What describe_matrix takes for "X" or "X_new".
  std::string input(const std::string& dataset) const { return golden_file + ":" + path(dataset); }
  std::string path(const std::string& dataset) const { return group_ + "/" + dataset; }

  Parameters parameters() const;
  std::uint32_t seed() const { return static_cast<std::uint32_t>(count("random_state")); }

 private:
  hdf5::File file_;
  std::string group_;
};

inline Parameters GoldenCase::parameters() const {
  Parameters p;
  p.estimator = text("estimator") == "NMF" ? Estimator::nmf : Estimator::minibatch_nmf;
  p.n_components = count("n_components");
  p.n_components_auto = false;
  const std::map<std::string, Init> inits = {{"none", Init::none},       {"random", Init::random},
                                             {"custom", Init::custom},   {"nndsvd", Init::nndsvd},
                                             {"nndsvda", Init::nndsvda}, {"nndsvdar", Init::nndsvdar}};
  p.init = inits.at(text("init"));
  p.solver = text("solver") == "cd" ? Solver::cd : Solver::mu;
  p.beta_loss = number("beta_loss");
  p.tol = number("tol");
  p.max_iter = count("max_iter");
  p.random_state = seed();
  p.alpha_W = number("alpha_W");
  p.alpha_H = number("alpha_H");
  p.l1_ratio = number("l1_ratio");
  p.shuffle = count("shuffle") != 0;
  p.random_generator = RandomGenerator::numpy;
  if (p.estimator == Estimator::minibatch_nmf) {
    const auto count_or_none = [this](const std::string& name) {
      return count(name) < 0 ? std::nullopt : std::optional(count(name));
    };
    p.batch_size = count("batch_size");
    p.max_no_improvement = count_or_none("max_no_improvement");
    p.forget_factor = number("forget_factor");
    p.fresh_restarts = count("fresh_restarts") != 0;
    p.fresh_restarts_max_iter = count("fresh_restarts_max_iter");
    p.transform_max_iter = count_or_none("transform_max_iter");
  }
  return p;
}

/// Names of all cases that `wanted` says yes to.
template <class Wanted>
std::vector<std::string> golden_cases(const Wanted& wanted) {
  std::vector<std::string> names;
  for (const auto& name : hdf5::File::open(golden_file).members("/cases"))
    if (wanted(GoldenCase(name))) names.push_back(name);
  return names;
}

/// Collective. All rows of W, on every rank, from the rows that the ranks hold in the order of `partition`.
template <Scalar T>
GoldenArray all_rows(const Communicator& comm, const Matrix<T>& local, const RowPartition& partition) {
  const Index columns = comm.max(local.columns());
  GoldenArray all{{partition.rows(), columns},
                  std::vector<double>(static_cast<std::size_t>(partition.rows() * columns), 0.0)};
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range piece = partition.piece(batch, comm.rank());
    const T* from = local.data() + partition.local_begin(batch, comm.rank()) * columns;
    std::copy_n(from, piece.size() * columns, all.values.data() + piece.begin * columns);
  }
  comm.allreduce_sum(std::span(all.values));
  return all;
}

/// H (k × n) from Ht (n × k).
template <Scalar T>
GoldenArray transposed(const Matrix<T>& Ht) {
  GoldenArray H{{Ht.columns(), Ht.rows()}, {}};
  for (Index c = 0; c < Ht.columns(); ++c)
    for (Index j = 0; j < Ht.rows(); ++j) H.values.push_back(static_cast<double>(Ht(j, c)));
  return H;
}

/// Ht (n × k) from a golden H (k × n).
template <Scalar T>
Matrix<T> transposed_from(const GoldenArray& H) {
  Matrix<T> Ht(H.dimensions[1], H.dimensions[0]);
  for (Index c = 0; c < Ht.columns(); ++c)
    for (Index j = 0; j < Ht.rows(); ++j)
      Ht(j, c) = static_cast<T>(H.values[static_cast<std::size_t>(c * Ht.rows() + j)]);
  return Ht;
}

/// max|a − b| / max|b|; infinite for different shapes and for NaN.
inline double gap(const GoldenArray& a, const GoldenArray& b) {
  if (a.dimensions != b.dimensions) return std::numeric_limits<double>::infinity();
  double largest = 0;
  double difference = 0;
  for (std::size_t i = 0; i < b.values.size(); ++i) {
    const double d = std::abs(a.values[i] - b.values[i]);
    if (std::isnan(d)) return std::numeric_limits<double>::infinity();
    difference = std::max(difference, d);
    largest = std::max(largest, std::abs(b.values[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

/// Calls check.operator()<T>() with the type that the case computes in.
template <class Check>
void in_type_of(const GoldenCase& golden, Check&& check) {
  if (golden.text("dtype") == "float32") {
    check.template operator()<float>();
  } else {
    check.template operator()<double>();
  }
}

/// Elements that are exactly zero in one array but not in the other.
inline Index different_zeros(const GoldenArray& a, const GoldenArray& b) {
  Index different = 0;
  for (std::size_t i = 0; i < std::min(a.values.size(), b.values.size()); ++i)
    different += (a.values[i] == 0) != (b.values[i] == 0);
  return different;
}

/// Expects an array of the case within the tolerance of that name, and its exact zeros where the case says that they
/// are stable.
inline void expect_array(const GoldenCase& golden, const std::string& dataset, const GoldenArray& result,
                         const std::string& tolerance, bool compare_zeros = true) {
  const GoldenArray expected = golden.array(dataset);
  EXPECT_LE(gap(result, expected), golden.number(tolerance)) << dataset;
  if (compare_zeros && golden.count("zeros_stable") != 0)
    EXPECT_EQ(different_zeros(result, expected), 0) << "exact zeros of " << dataset;
}

}  // namespace scanmf::test
