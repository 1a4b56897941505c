#include "ensemble/resampling.hpp"

#include <Random123/philox.h>
#include <fmt/format.h>
#include <Random123/MicroURNG.hpp>

#include <algorithm>
#include <boost/random/binomial_distribution.hpp>
#include <boost/random/poisson_distribution.hpp>
#include <boost/random/uniform_01.hpp>
#include <cmath>

#include "data/visit_all.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

/// A stream of its own for each element of X. The third word keeps it apart from the draws of initial factors.
using ElementStream = r123::MicroURNG<r123::Philox4x64>;

ElementStream stream_of(const Resample& how, Index row, Index column) {
  constexpr std::uint64_t resampling = 1;
  return ElementStream({{static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(column), resampling, 0}},
                       {{how.seed, 0}});
}

/// The counts of a row, one after the other: each is binomial in what is left of the sum.
template <Scalar T, class Column>
void multinomial(const Resample& how, Index row, std::span<T> values, Column&& column) {
  std::vector<double> rest(values.size() + 1, 0);  // sum of an element and those behind it
  for (std::size_t i = values.size(); i-- > 0;)    // NaN is an element that is not observed
    rest[i] = rest[i + 1] + (values[i] > 0 ? static_cast<double>(values[i]) : 0.0);
  auto left = static_cast<Index>(std::llround(rest[0]));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > 0)) continue;
    ElementStream stream = stream_of(how, row, column(i));
    const double share = std::min(1.0, static_cast<double>(values[i]) / rest[i]);
    const Index drawn = share < 1 ? boost::random::binomial_distribution<Index, double>(left, share)(stream) : left;
    values[i] = static_cast<T>(drawn);
    left -= drawn;
  }
}

/// What decides whether counts can be drawn from X.
struct ValueKinds {
  Index fractions = 0;  // positive values that are no whole numbers
  double largest = 0;   // value, or sum of a row where that is what is drawn from
};

template <Scalar T>
ValueKinds kinds_of(DataSource<T>& x, bool of_rows) {
  ValueKinds kinds;
  const Communicator& comm = x.communicator();
  data::visit_all(x, [&](const Block<T>& block) {
    for (Index t = 0; t < block.tiles(); ++t) {
      std::vector<double> sums(static_cast<std::size_t>(block.tile_rows()), 0);
      for_each_held_element(block.tile(t), [&](Index row, Index, T value) {
        if (!(value > 0)) return;
        if (value != std::floor(value)) ++kinds.fractions;
        double& sum = sums[static_cast<std::size_t>(row)];
        sum = static_cast<double>(value) + (of_rows ? sum : 0.0);
        kinds.largest = std::max(kinds.largest, sum);
      });
    }
  });
  return {comm.sum(kinds.fractions), comm.max(kinds.largest)};
}

}  // namespace

template <Scalar T>
void resample_row(const Resample& how, Index row, const std::int32_t* columns, std::span<T> values) {
  const auto column = [&](std::size_t i) { return columns == nullptr ? static_cast<Index>(i) : columns[i]; };
  if (how.kind == Resampling::multinomial) return multinomial(how, row, values, column);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > 0)) continue;
    ElementStream stream = stream_of(how, row, column(i));
    const auto value = static_cast<double>(values[i]);
    if (how.kind == Resampling::poisson)
      values[i] = static_cast<T>(boost::random::poisson_distribution<Index, double>(value)(stream));
    else
      values[i] = static_cast<T>(value * (1 + how.width * (2 * boost::random::uniform_01<double>()(stream) - 1)));
  }
}

template <Scalar T>
void check_resampling(DataSource<T>& x, Resampling kind) {
  if (kind != Resampling::poisson && kind != Resampling::multinomial) return;
  const ValueKinds kinds = kinds_of(x, kind == Resampling::multinomial);
  constexpr double exact_counts = 0x1p53;
  if (kinds.largest > exact_counts)
    throw AgreedError(
        fmt::format("--resample {} draws counts, and {} of X are up to {:.3g}, more than 2^53: scale X, or take "
                    "--resample uniform",
                    name_of(kind), kind == Resampling::multinomial ? "sums of rows" : "values", kinds.largest));
  if (kinds.fractions > 0)
    log_warning(fmt::format(
        "--resample {} is for counts, and {} of the {} positive values of X are no whole numbers: {}; for other "
        "values there is --resample uniform",
        name_of(kind), kinds.fractions, x.summary().positive,
        kind == Resampling::poisson ? "they are taken as means of counts"
                                    : "the sum of each row is rounded to a whole number"));
}

template void resample_row(const Resample&, Index, const std::int32_t*, std::span<float>);
template void resample_row(const Resample&, Index, const std::int32_t*, std::span<double>);
template void check_resampling(DataSource<float>&, Resampling);
template void check_resampling(DataSource<double>&, Resampling);

}  // namespace scanmf
