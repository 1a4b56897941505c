// Gram matrices of what is observed of rows and columns of X against sums in long double, for odd numbers of
// components, both storage kinds and both types; the same bits however X comes in blocks.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "scanmf/linalg/column_grams.hpp"
#include "scanmf/linalg/observed_grams.hpp"
#include "scanmf/linalg/tile_loop.hpp"
#include "support/pack_rows.hpp"

namespace scanmf {
namespace {

constexpr Index tile_rows = 7;
constexpr Index tiles_a_stratum = 3;

/// X with what is observed of it, and factors.
template <Scalar T>
struct Example {
  Index rows, columns, k;
  Matrix<T> x, w, ht;
  std::vector<T> weights;

  Example(Index rows_, Index columns_, Index k_, double missing, unsigned seed, bool weighted = false)
      : rows(rows_), columns(columns_), k(k_), x(rows_, columns_), w(rows_, k_), ht(columns_, k_) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(0, 1);
    for (T& element : x.span())
      element = uniform(engine) < missing ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(0.1 + uniform(engine));
    for (T& element : w.span()) element = static_cast<T>(uniform(engine));
    for (T& element : ht.span()) element = static_cast<T>(uniform(engine));
    for (Index i = 0; weighted && i < rows; ++i) weights.push_back(i % 5 == 0 ? T{0} : static_cast<T>(uniform(engine)));
  }

  bool is_observed(Index i, Index j) const { return x(i, j) == x(i, j); }
  double weight(Index i) const {
    return weights.empty() ? 1.0 : static_cast<double>(weights[static_cast<std::size_t>(i)]);
  }
};

/// Some rows of an example as a block: dense, sparse whose NaN are missing, or sparse of which what is stored is
/// observed.
template <Scalar T>
class BlockOf {
 public:
  BlockOf(const Example<T>& e, Range rows, StorageKind kind, Observed observed) {
    block.local_row = block.global_row = rows.begin;
    block.first_tile = rows.begin / tile_rows;
    block.tiles_a_stratum = tiles_a_stratum;
    block.observed = observed;
    if (!e.weights.empty()) block.weights = e.weights.data() + rows.begin;
    if (kind == StorageKind::dense) {
      packed_ = Buffer<T>(rows.size() * padded_columns<T>(e.columns));
      test::pack_rows<T>(e.x.view().middle_rows(rows), 0, rows.size(), tile_rows, packed_.data());
      block.matrix = DenseBlock<T>{rows.size(), e.columns, tile_rows, packed_.data()};
      return;
    }
    row_begin_.push_back(0);
    for (Index i = rows.begin; i < rows.end; ++i) {
      for (Index j = 0; j < e.columns; ++j) {
        if (observed == Observed::not_zero ? !e.is_observed(i, j) : e.is_observed(i, j) && j % 3 != 0) continue;
        column_.push_back(static_cast<std::int32_t>(j));
        value_.push_back(e.x(i, j));
      }
      row_begin_.push_back(static_cast<Index>(column_.size()));
    }
    block.matrix = CsrBlock<T>{rows.size(), e.columns, tile_rows, row_begin_.data(), column_.data(), value_.data()};
  }

  Block<T> block;

 private:
  Buffer<T> packed_;
  std::vector<Index> row_begin_;
  std::vector<std::int32_t> column_;
  std::vector<T> value_;
};

struct Kind {
  StorageKind storage;
  Observed observed;
};
constexpr Kind kinds[] = {{StorageKind::dense, Observed::not_nan},
                          {StorageKind::csr, Observed::not_nan},
                          {StorageKind::csr, Observed::not_zero}};

/// Cuts X into blocks before these rows. n × k × k, each a Gram matrix.
template <Scalar T>
std::vector<Matrix<T>> column_grams(const Example<T>& e, Kind kind, std::vector<Index> cuts, int threads) {
  cuts.push_back(e.rows);
  const Team team(threads);
  const Index strata = (e.rows + tile_rows * tiles_a_stratum - 1) / (tile_rows * tiles_a_stratum);
  ColumnGrams<T> grams;
  for (int time = 0; time < 2; ++time) {  // nothing of the first is left
    grams.begin(e.columns, e.k, {strata, {0, strata}, true});
    Index begin = 0;
    for (const Index end : cuts) {
      const BlockOf<T> some(e, {begin, end}, kind.storage, kind.observed);
      grams.begin_block(some.block);
      for_each_tile(team, some.block, [&](int, const TilePlace& place, const TileView<T>& tile) {
        const Index first = begin + place.row;
        grams.keep(tile, place.row, e.w.view().middle_rows({first, first + tile.rows()}));
      });
      grams.end_block(team, some.block);
      begin = end;
    }
    grams.end(team);
  }
  const auto nodes = grams.sums().nodes();
  EXPECT_EQ(nodes.size(), 1u);
  const std::span<const T> sums = nodes.front().second->all();
  const Index size = GramLayout<T>(e.k).size();
  std::vector<Matrix<T>> all;
  for (Index j = 0; j < e.columns; ++j)
    unpack_gram(sums.data() + j * size, e.k, all.emplace_back(e.k, padded_components<T>(e.k), T{0}).data());
  return all;
}

/// Whether gram is the sum of weight(i)·f_i·f_iᵀ over the i < count of which is_in(i) says so.
template <Scalar T, class Weight, class IsIn>
void expect_gram(const Matrix<T>& gram, const Matrix<T>& f, Index k, const Weight& weight, const IsIn& is_in) {
  const double tolerance = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (Index a = 0; a < k; ++a)
    for (Index b = 0; b < k; ++b) {
      long double sum = 0;
      long double bound = 0;  // of what the elements of the diagonal may be wrong by
      for (Index i = 0; i < f.rows(); ++i) {
        if (!is_in(i)) continue;
        sum += weight(i) * static_cast<long double>(f(i, a)) * static_cast<long double>(f(i, b));
        bound += weight(i) * std::max(f(i, a) * f(i, a), f(i, b) * f(i, b));
      }
      ASSERT_NEAR(static_cast<double>(gram(a, b)), static_cast<double>(sum), tolerance * static_cast<double>(bound))
          << "element " << a << ", " << b << " of " << k;
    }
}

template <class T>
class Grams : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Grams, Types);

TYPED_TEST(Grams, OfRowsAreSumsOverWhatIsObserved) {
  using T = TypeParam;
  for (const Index k : {1, 7, 8, 16, 17, 33, 50, 70})
    for (const double missing : {0.0, 0.05, 0.7})
      for (const Kind kind : kinds) {
        const Example<T> e(3, 70, k, missing, static_cast<unsigned>(k));
        const BlockOf<T> some(e, {0, e.rows}, kind.storage, kind.observed);
        RightFactor<T> h(kind.storage, e.columns, k, true);
        h.assign(e.ht.view());
        std::vector<double> all(static_cast<std::size_t>(k * k), 0.0);
        for (Index j = 0; j < e.columns; ++j)
          for (Index a = 0; a < k; ++a)
            for (Index b = 0; b < k; ++b)
              all[static_cast<std::size_t>(a * k + b)] +=
                  static_cast<double>(e.ht(j, a)) * static_cast<double>(e.ht(j, b));
        const FullGram<T> full(all, k);
        RowGrams<T> grams(some.block.tile(0), h, full);
        for (Index i = 0; i < e.rows; ++i) {
          Matrix<T> gram(k, padded_components<T>(k), T{0});
          grams.of_row(i, gram.data());
          expect_gram(
              gram, e.ht, k, [](Index) { return 1.0; }, [&](Index j) { return e.is_observed(i, j); });
        }
      }
}

TYPED_TEST(Grams, OfColumnsAreSumsOverWhatIsObserved) {
  using T = TypeParam;
  for (const Index k : {1, 9, 16, 50})
    for (const double missing : {0.05, 0.6})
      for (const Kind kind : kinds)
        for (const bool weighted : {false, true}) {
          const Example<T> e(65, 67, k, missing, static_cast<unsigned>(k), weighted);
          const std::vector<Matrix<T>> grams = column_grams(e, kind, {}, 1);
          for (Index j = 0; j < e.columns; j += 13)
            expect_gram(
                grams[static_cast<std::size_t>(j)], e.w, k, [&](Index i) { return e.weight(i); },
                [&](Index i) { return e.is_observed(i, j); });
        }
}

TYPED_TEST(Grams, OfColumnsHaveTheSameBitsHoweverBlocksAreCut) {
  using T = TypeParam;
  for (const Kind kind : kinds)
    for (const bool weighted : {false, true}) {
      const Example<T> e(200, 67, 20, 0.1, 3, weighted);
      const std::vector<Matrix<T>> whole = column_grams(e, kind, {}, 1);
      const std::vector<std::vector<Index>> cuts{{7}, {21}, {28, 35, 42, 49}, {63, 126, 189}, {14, 161}, {196}};
      for (const auto& some : cuts)
        for (const int threads : {1, 3}) {
          const std::vector<Matrix<T>> grams = column_grams(e, kind, some, threads);
          for (std::size_t j = 0; j < grams.size(); ++j)
            ASSERT_TRUE(std::ranges::equal(grams[j].span(), whole[j].span())) << "column " << j;
        }
    }
}

/// Of a component that is large in one row alone, little or nothing is left where that row is missing.
TYPED_TEST(Grams, KeepTheirDigitsWhereLittleIsLeft) {
  using T = TypeParam;
  constexpr Index k = 20;
  for (const Kind kind : {kinds[0], kinds[1]}) {
    Example<T> e(42, 67, k, 0.0, 4);
    const Index row = 25;
    for (Index i = 0; i < e.rows; ++i) e.w(i, 18) = T{0};
    for (const Index c : {3, 17, 18}) e.w(row, c) = T{1000};
    for (Index j = 0; j < e.columns; j += 2) e.x(row, j) = std::numeric_limits<T>::quiet_NaN();
    const std::vector<Matrix<T>> grams = column_grams(e, kind, {}, 1);
    for (Index j = 0; j < e.columns; ++j) {
      const Matrix<T>& gram = grams[static_cast<std::size_t>(j)];
      if (j % 2 == 0) {
        EXPECT_EQ(gram(18, 18), T{0});
      }
      for (const Index a : {3, 17})
        for (const Index b : {3, 17}) {
          double sum = 0;
          for (Index i = 0; i < e.rows; ++i)
            if (e.is_observed(i, j)) sum += static_cast<double>(e.w(i, a)) * static_cast<double>(e.w(i, b));
          EXPECT_NEAR(static_cast<double>(gram(a, b)), sum,
                      std::max(1e-6 * static_cast<double>(sizeof(T) == 4), 1e-9) * sum);
        }
    }
  }
}

}  // namespace
}  // namespace scanmf
