#include "scanmf/linalg/observed_grams.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/gram_of_rows.hpp"
#include "linalg/observed_bits.hpp"

namespace scanmf {
namespace {

/// Columns of a row, ascending: those that are missing, or of sparse X whose observed elements are stored, these. How
/// many; `list` grows as it has to.
template <Scalar T>
Index list_columns(const CsrTile<T>& x, Index row, std::vector<std::int32_t>& list) {
  const auto stored = static_cast<std::size_t>(x.row_begin[row + 1] - x.row_begin[row]);
  if (list.size() < stored) list.resize(stored);
  const bool observed = x.observed == Observed::not_zero;
  std::size_t count = 0;
  for_each_in_row(x, row, [&](Index column, T element) {
    if (is_observed(x.observed, element) == observed) list[count++] = static_cast<std::int32_t>(column);
  });
  return static_cast<Index>(count);
}
template <Scalar T>
Index list_columns(const DenseTile<T>& x, Index row, std::vector<std::int32_t>& list) {
  const auto most = static_cast<std::size_t>(x.columns + 16);
  if (list.size() < most) list.resize(most);
  return kernels::observed<T>().list_missing(x.observed, x.packed, x.rows, row, x.columns, list.data());
}

}  // namespace

template <Scalar T>
struct RowGrams<T>::State {
  TileView<T> x;
  const RightFactor<T>& h;
  const FullGram<T>& full;
  GramOfRows<T> grams;
  std::vector<std::int32_t> list;
  std::vector<std::int32_t> others;
  std::vector<T> sums;
};

template <Scalar T>
RowGrams<T>::RowGrams(const TileView<T>& x, const RightFactor<T>& h, const FullGram<T>& full)
    : state_(new State{x, h, full, GramOfRows<T>(h.components()), {}, {}, std::vector<T>(full.values.size())}) {}

template <Scalar T>
RowGrams<T>::~RowGrams() = default;

template <Scalar T>
void RowGrams<T>::of_row(Index row, T* gram) {
  auto& [x, h, full, grams, list, others, sums] = *state_;
  const Index k = h.components();
  bool of_missing = true;
  const Index listed = x.visit([&]<class Tile>(const Tile& tile) {
    of_missing = std::is_same_v<Tile, DenseTile<T>> || tile.observed == Observed::not_nan;
    return list_columns(tile, row, list);
  });
  std::span<const std::int32_t> columns(list.data(), static_cast<std::size_t>(listed));
  const bool few = !of_missing || 2 * listed > h.columns();
  if (of_missing && few) {
    list_others({0, h.columns()}, columns, others);
    columns = others;
  }
  const auto count = static_cast<Index>(columns.size());
  const kernels::ListedRows<T> rows{h.rows(), h.rows(), padded_components<T>(k), columns.data(), count, count};
  if (few)
    grams.sum(rows, sums.data());
  else
    grams.without(rows, full, sums.data());
  unpack_gram(sums.data(), k, gram);
}

template class RowGrams<float>;
template class RowGrams<double>;

}  // namespace scanmf
