#include "scanmf/linalg/observed_grams.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/gram_of_rows.hpp"
#include "linalg/observed_bits.hpp"

namespace scanmf {
namespace {

/// bits: of find_observed. Columns of a row, ascending: those that are missing, or of sparse X whose observed elements
/// are stored, these.
template <Scalar T>
void list_columns(const CsrTile<T>& x, Index row, std::span<const std::uint64_t>, std::vector<std::int32_t>& list) {
  const bool observed = x.observed == Observed::not_zero;
  for_each_in_row(x, row, [&](Index column, T element) {
    if (is_observed(x.observed, element) == observed) list.push_back(static_cast<std::int32_t>(column));
  });
}
template <Scalar T>
void list_columns(const DenseTile<T>& x, Index row, std::span<const std::uint64_t> bits,
                  std::vector<std::int32_t>& list) {
  list_missing(x, row, bits, list);
}

}  // namespace

template <Scalar T>
struct RowGrams<T>::State {
  TileView<T> x;
  const RightFactor<T>& h;
  const FullGram<T>& full;
  GramOfRows<T> grams;
  std::vector<std::uint64_t> bits;  // of dense x
  std::vector<std::int32_t> list;
  std::vector<std::int32_t> others;
  std::vector<T> sums;
};

template <Scalar T>
RowGrams<T>::RowGrams(const TileView<T>& x, const RightFactor<T>& h, const FullGram<T>& full)
    : state_(new State{x, h, full, GramOfRows<T>(h.components()), {}, {}, {}, std::vector<T>(full.values.size())}) {
  x.visit([&]<class Tile>(const Tile& tile) {
    if constexpr (std::is_same_v<Tile, DenseTile<T>>) {
      state_->bits.resize(static_cast<std::size_t>(strips_of<T>(tile.columns) * tile.rows));
      find_observed(tile, state_->bits.data(), tile.rows);
    }
  });
}

template <Scalar T>
RowGrams<T>::~RowGrams() = default;

template <Scalar T>
void RowGrams<T>::of_row(Index row, T* gram) {
  auto& [x, h, full, grams, bits, list, others, sums] = *state_;
  const Index k = h.components();
  list.clear();
  const bool of_missing = x.visit([&]<class Tile>(const Tile& tile) {
    list_columns(tile, row, bits, list);
    return std::is_same_v<Tile, DenseTile<T>> || tile.observed == Observed::not_nan;
  });
  const bool few = !of_missing || 2 * static_cast<Index>(list.size()) > h.columns();
  if (of_missing && few) {
    list_others({0, h.columns()}, list, others);
    list.swap(others);
  }
  const auto count = static_cast<Index>(list.size());
  const kernels::ListedRows<T> rows{h.rows(), h.rows(), padded_components<T>(k), list.data(), count, count};
  if (few)
    grams.sum(rows, sums.data());
  else
    grams.without(rows, full, sums.data());
  unpack_gram(sums.data(), k, gram);
}

template class RowGrams<float>;
template class RowGrams<double>;

}  // namespace scanmf
