#include "ensemble/speckle.hpp"

#include <Random123/philox.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/at.hpp"
#include "data/visit_all.hpp"
#include "ensemble/elements.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/data/observed_source.hpp"
#include "scanmf/parallel/ordered_sum.hpp"
#include "solver/element_divergence.hpp"

namespace scanmf {
namespace {

/// Tiles that are copied at once, and entries of sparse ones that these may have more than X.
constexpr Index tiles_at_once = 16;
constexpr double added_at_once = 0x1p24;

/// What is written in place of an entry that is held out.
template <Scalar T>
T unobserved(Observed observed) {
  return observed == Observed::not_zero ? T{0} : std::numeric_limits<T>::quiet_NaN();
}

template <Scalar T>
class SpeckledSource final : public data::WrappedSource<T> {
 public:
  SpeckledSource(DataSource<T>& whole, const Speckle& speckle)
      : data::WrappedSource<T>(whole),
        speckle_(speckle),
        observed_(whole.observation() != nullptr ? whole.observation()->observed : Observed::all),
        summary_(whole.summary()) {
    summarise();
  }

  const DataSummary& summary() const override { return summary_; }
  /// Who needs what is observed has it counted.
  const Observation* observation() const override { return nullptr; }

  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override {
    this->whole_.visit(batch, [&](const Block<T>& block) {
      std::visit([&](const auto& matrix) { cut(block, matrix, visitor); }, block.matrix);
    });
  }

 private:
  /// Hands out a block's tiles, some at a time.
  template <class Matrix>
  void cut(const Block<T>& block, const Matrix& matrix, const typename DataSource<T>::Visitor& visitor) {
    Index step = tiles_at_once;
    if constexpr (std::is_same_v<Matrix, CsrBlock<T>>) {
      const double added =
          speckle_.share() * static_cast<double>(matrix.tile_rows) * static_cast<double>(matrix.columns);
      if (observed_ != Observed::not_zero) step = std::clamp<Index>(static_cast<Index>(added_at_once / added), 1, step);
    }
    for (Index tile = 0; tile < block.tiles(); tile += step) {
      const Index begin = tile * matrix.tile_rows;
      const Index rows = std::min(matrix.rows - begin, step * matrix.tile_rows);
      Block<T> part = block;
      part.local_row += begin;
      part.global_row += begin;
      part.first_tile += tile;
      part.observed = Observed::all;
      part.weights = nullptr;
      part.matrix = copied(matrix, begin, rows, part.global_row);
      visitor(part);
    }
  }

  DenseBlock<T> copied(const DenseBlock<T>& block, Index begin, Index rows, Index global_row) {
    const Index padded = padded_columns<T>(block.columns);
    if (values_.size() < rows * padded) values_ = Buffer<T>(rows * padded);
    const Index first = begin / block.tile_rows;
    Team().for_each((rows + block.tile_rows - 1) / block.tile_rows, [&](Index t) {
      const DenseTile<T> tile = block.tile(first + t);
      T* const packed = values_.data() + t * block.tile_rows * padded;
      std::ranges::copy(tile.stored(), packed);
      std::vector<std::int32_t> held_out;
      std::vector<Index> places(at(tile.columns));
      for (Index i = 0; i < tile.rows; ++i) {
        for_each_place(tile, i, [&](Index j, Index place) { places[at(j)] = place; });
        speckle_.held_out(global_row + t * block.tile_rows + i, tile.columns, held_out);
        for (const std::int32_t j : held_out) packed[places[at(j)]] = unobserved<T>(observed_);
      }
    });
    return {rows, block.columns, block.tile_rows, values_.data()};
  }

  /// Zeros that are held out are stored: others are observed zeros. Rows are of any length: how long each becomes is
  /// counted first.
  CsrBlock<T> copied(const CsrBlock<T>& block, Index begin, Index rows, Index global_row) {
    const Team team;
    const bool stores_zeros = observed_ != Observed::not_zero;
    if (held_out_.size() < at(rows)) held_out_.resize(at(rows));
    row_begin_.assign(at(rows) + 1, 0);
    team.for_each(rows, [&](Index i) {
      std::vector<std::int32_t>& held_out = held_out_[at(i)];
      speckle_.held_out(global_row + i, block.columns, held_out);
      Index length = 0;
      merge(block, begin + i, held_out, stores_zeros, [&](std::int32_t, T) { ++length; });
      row_begin_[at(i) + 1] = length;
    });
    std::partial_sum(row_begin_.begin(), row_begin_.end(), row_begin_.begin());
    if (sparse_.size() < at(row_begin_.back())) {
      column_.resize(at(row_begin_.back()));
      sparse_.resize(at(row_begin_.back()));
    }
    team.for_each(rows, [&](Index i) {
      Index place = row_begin_[at(i)];
      merge(block, begin + i, held_out_[at(i)], stores_zeros, [&](std::int32_t column, T value) {
        column_[at(place)] = column;
        sparse_[at(place++)] = value;
      });
    });
    return {rows, block.columns, block.tile_rows, row_begin_.data(), column_.data(), sparse_.data()};
  }

  /// Calls store(column, value) for what a row becomes, its columns ascending.
  template <class Store>
  void merge(const CsrBlock<T>& block, Index row, std::span<const std::int32_t> held_out, bool stores_zeros,
             Store&& store) const {
    const T in_place = unobserved<T>(observed_);
    auto next = held_out.begin();
    for (Index p = block.row_begin[row]; p < block.row_begin[row + 1]; ++p) {
      for (; next != held_out.end() && *next < block.column[p]; ++next)
        if (stores_zeros) store(*next, in_place);
      const bool is_held_out = next != held_out.end() && *next == block.column[p];
      if (is_held_out) ++next;
      store(block.column[p], is_held_out ? in_place : block.value[p]);
    }
    for (; next != held_out.end() && stores_zeros; ++next) store(*next, in_place);
  }

  /// Collective.
  void summarise() {
    const Communicator& comm = this->communicator();
    Index positive = 0;
    ExactSum sum;
    data::visit_all<T>(*this, [&](const Block<T>& block) {
      for (Index t = 0; t < block.tiles(); ++t) {
        double of_tile = 0;
        for (const T value : block.tile(t).stored()) {
          if (!(value > 0)) continue;  // nor what is not observed
          of_tile += static_cast<double>(value);
          ++positive;
        }
        sum.add(of_tile);
      }
    });
    summary_.sum = exact_sum(comm, sum);
    summary_.positive = comm.sum(positive);
    summary_.missing = 0;
  }

  Speckle speckle_;
  Observed observed_;
  DataSummary summary_;
  Buffer<T> values_;
  std::vector<std::vector<std::int32_t>> held_out_;  // of each row
  std::vector<Index> row_begin_;
  std::vector<std::int32_t> column_;
  std::vector<T> sparse_;
};

/// Values of some columns (ascending) of a row.
template <Scalar T>
void values_at(const DenseTile<T>& tile, Index row, std::span<const std::int32_t> columns, T* to) {
  auto next = columns.begin();
  for_each_place(tile, row, [&](Index j, Index place) {
    if (next == columns.end() || *next != j) return;
    *to++ = tile.packed[place];
    ++next;
  });
}

template <Scalar T>
void values_at(const CsrTile<T>& tile, Index row, std::span<const std::int32_t> columns, T* to) {
  Index p = tile.row_begin[row];
  const Index end = tile.row_begin[row + 1];
  for (const std::int32_t column : columns) {
    while (p < end && tile.column[p] < column) ++p;
    *to++ = p < end && tile.column[p] == column ? tile.value[p] : T{0};
  }
}

}  // namespace

Speckle::Speckle(double share, std::uint32_t seed, Index repeat)
    : share_(share),
      bound_(static_cast<std::uint32_t>(std::clamp(share * 0x1p32, 0.0, 0x1p32 - 1))),
      seed_(seed),
      repeat_(static_cast<std::uint32_t>(repeat)) {}

void Speckle::held_out(Index row, Index columns, std::vector<std::int32_t>& found) const {
  using Philox = r123::Philox4x32;
  constexpr Index together = 4;  // columns that share a hash of four numbers
  constexpr std::uint32_t holding_out = 2;
  found.clear();
  const auto high = static_cast<std::uint32_t>(static_cast<std::uint64_t>(row) >> 32);
  const auto low = static_cast<std::uint32_t>(row);
  for (Index begin = 0; begin < columns; begin += together) {
    const Philox::ctr_type hash =
        Philox()({{static_cast<std::uint32_t>(begin / together), low, high, holding_out}}, {{seed_, repeat_}});
    for (Index j = begin; j < std::min(columns, begin + together); ++j)
      if (hash[at(j - begin)] < bound_) found.push_back(static_cast<std::int32_t>(j));
  }
}

template <Scalar T>
std::unique_ptr<DataSource<T>> without_held_out(DataSource<T>& x, const Speckle& speckle) {
  const bool of_zeros = x.observation() != nullptr && x.observation()->observed == Observed::not_zero;
  ObserveOptions options;
  options.observed = of_zeros ? Observed::not_zero : Observed::not_nan;
  options.keep_empty = true;
  return observed_source<T>(std::make_unique<SpeckledSource<T>>(x, speckle), options);
}

template <Scalar T>
HeldOutLoss held_out_loss(DataSource<T>& x, const Speckle& speckle, std::span<const FittedModel<T>> models) {
  const Team team;
  const Index columns = x.shape().columns;
  std::vector<double> sums;  // row by row of a block, model by model: the same order for any number of threads
  std::vector<ExactSum> total(models.size() + 1);
  data::visit_all(x, [&](const Block<T>& block) {
    sums.assign(at(block.rows()) * total.size(), 0);
    team.for_each(block.rows(), [&](Index i) {
      std::vector<std::int32_t> held_out;
      speckle.held_out(block.global_row + i, columns, held_out);
      std::vector<T> values(held_out.size());
      const TileView<T> tile = block.tile(i / block.tile_rows());
      tile.visit([&](const auto& own) { values_at(own, i % block.tile_rows(), held_out, values.data()); });
      double* const of_row = &sums[at(i) * total.size()];
      for (std::size_t e = 0; e < values.size(); ++e) {
        if (!is_observed(block.observed, values[e])) continue;
        of_row[models.size()] += 1;
        for (std::size_t m = 0; m < models.size(); ++m) {
          const Factors<T>& factors = models[m].factors;
          const T* const w = factors.W.row(block.local_row + i);
          const T* const h = factors.Ht.row(held_out[e]);
          double y = 0;
          for (Index c = 0; c < factors.Ht.columns(); ++c) y += static_cast<double>(w[c]) * static_cast<double>(h[c]);
          of_row[m] += element_divergence(static_cast<double>(values[e]), y, models[m].parameters.beta_loss);
        }
      }
    });
    for (std::size_t i = 0; i < sums.size(); ++i) total[i % total.size()].add(sums[i]);
  });
  const std::vector<double> all = exact_sums(x.communicator(), total);
  return {{all.begin(), all.end() - 1}, static_cast<Index>(all.back())};
}

template std::unique_ptr<DataSource<float>> without_held_out(DataSource<float>&, const Speckle&);
template std::unique_ptr<DataSource<double>> without_held_out(DataSource<double>&, const Speckle&);
template HeldOutLoss held_out_loss(DataSource<float>&, const Speckle&, std::span<const FittedModel<float>>);
template HeldOutLoss held_out_loss(DataSource<double>&, const Speckle&, std::span<const FittedModel<double>>);

}  // namespace scanmf
