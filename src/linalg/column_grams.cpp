// Gram matrices of the rows of W that belong to what is observed of each column.
#include "scanmf/linalg/column_grams.hpp"

#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "core/contract.hpp"
#include "linalg/gram_of_rows.hpp"
#include "linalg/observed_bits.hpp"

namespace scanmf {
namespace {

template <Scalar T>
bool list_of_missing(const Block<T>& block) {
  return block.kind() == StorageKind::dense || block.observed == Observed::not_nan;  // zeros of CSR are observed
}

/// Columns and rows of X whose bits are not set. bits: those of the block's rows, a strip after the other.
template <Scalar T>
void list_rows(const std::vector<std::uint64_t>& bits, Index block_rows, Index all_columns, Range rows, Range columns,
               Index first, std::vector<std::vector<std::int32_t>>& lists) {
  for (Index begin = columns.begin; begin < columns.end; begin += strip_columns<T>) {
    const std::uint64_t valid = bits_of_columns<T>(begin, all_columns);
    auto* const of_strip = lists.data() + (begin - columns.begin);
    const std::uint64_t* const of_rows = bits.data() + begin / strip_columns<T> * block_rows;
    for (Index i = rows.begin; i < rows.end; ++i)
      for_each_bit(~of_rows[i] & valid,
                   [&](Index j) { of_strip[j].push_back(static_cast<std::int32_t>(first + i - rows.begin)); });
  }
}

template <Scalar T>
void list_rows(const CsrBlock<T>& x, Observed which, Range rows, Range columns, Index first,
               std::vector<std::vector<std::int32_t>>& lists) {
  const bool observed = which == Observed::not_zero;
  for (Index i = rows.begin; i < rows.end; ++i) {
    const std::int32_t* const end = x.column + x.row_begin[i + 1];
    const std::int32_t* at = std::lower_bound(x.column + x.row_begin[i], end, columns.begin);
    for (; at != end && *at < columns.end; ++at)
      if (is_observed(which, x.value[at - x.column]) == observed)
        lists[static_cast<std::size_t>(*at - columns.begin)].push_back(
            static_cast<std::int32_t>(first + i - rows.begin));
  }
}

/// The sums of one column after the other; one thread's.
template <Scalar T>
class ColumnSum {
 public:
  using Part = typename ColumnGrams<T>::Part;
  using Rows = kernels::ListedRows<T>;

  /// rows: of all that are kept, without a list. parts: of consecutive strata, and what is full of each, where lists
  /// are of what is missing.
  ColumnSum(const Rows& rows, Index components, SumTree tree, std::span<const Part> parts,
            std::span<const FullGram<T>> full)
      : rows_(rows),
        tree_(tree),
        parts_(parts),
        full_(full),
        grams_(components),
        size_(GramLayout<T>(components).size()) {}

  /// The column with this list, whose strata are asked for in their order.
  void begin(const std::vector<std::int32_t>& list) { next_ = std::span(list); }
  void sum(TreeNode node, T* sums) {
    if (node.level == 0) return sum_of_stratum(node.number, sums);
    sum(node.left(), sums);
    if (!tree_.exists(node.right())) return;
    const auto level = static_cast<std::size_t>(node.level);
    if (right_.size() <= level) right_.resize(level + 1);
    right_[level].resize(static_cast<std::size_t>(size_));
    T* const right = right_[level].data();
    sum(node.right(), right);
    kernels::vectors<T>().add(sums, right, size_);
  }

 private:
  void sum_of_stratum(Index stratum, T* sums) {
    const auto number = static_cast<std::size_t>(stratum - parts_.front().stratum);
    const Part& part = parts_[number];
    std::size_t count = 0;
    while (count < next_.size() && next_[count] < part.rows.end) ++count;
    const std::span<const std::int32_t> list = next_.first(count);
    const Rows some = listed(list, next_.size());
    next_ = next_.subspan(count);
    if (full_.empty()) {
      grams_.sum(some, sums);
    } else if (2 * static_cast<Index>(count) <= part.rows.size()) {
      grams_.without(some, full_[number], sums);
    } else {
      list_others(part.rows, list, others_);
      grams_.sum(listed(others_, others_.size()), sums);
    }
  }

  Rows listed(std::span<const std::int32_t> list, std::size_t known) const {
    Rows rows = rows_;
    rows.list = list.data();
    rows.count = static_cast<Index>(list.size());
    rows.known = static_cast<Index>(known);
    return rows;
  }

  Rows rows_;
  SumTree tree_;
  std::span<const Part> parts_;
  std::span<const FullGram<T>> full_;
  GramOfRows<T> grams_;
  Index size_;
  std::span<const std::int32_t> next_;
  std::vector<std::int32_t> others_;
  std::vector<std::vector<T>> right_;  // of each level
};

/// The Gram matrix of all rows of each part.
template <Scalar T>
std::vector<FullGram<T>> full_grams(const Team& team, kernels::ListedRows<T> rows, Index components,
                                    const std::vector<typename ColumnGrams<T>::Part>& parts) {
  std::vector<FullGram<T>> full(parts.size(), FullGram<T>(components));
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(parts.back().rows.end));
  std::iota(numbers.begin(), numbers.end(), 0);
  team.for_each(static_cast<Index>(parts.size()), [&](Index p) {
    const Range of_part = parts[static_cast<std::size_t>(p)].rows;
    kernels::ListedRows<T> all = rows;
    all.list = numbers.data() + of_part.begin;
    all.count = of_part.size();
    GramOfRows<T>(components).sum_exactly(all, full[static_cast<std::size_t>(p)]);
  });
  return full;
}

}  // namespace

template <Scalar T>
ColumnGramSums<T>::ColumnGramSums(Index columns, Index components) : sums_(columns, GramLayout<T>(components).size()) {}

template <Scalar T>
void ColumnGramSums<T>::add(ColumnGramSums& other) {
  if (other.is_empty_) return;
  const bool was_empty = std::exchange(is_empty_, false);
  other.is_empty_ = true;
  if (was_empty) return std::swap(sums_, other.sums_);
  const Index length = sums_.columns();
  team_for(sums_.rows() * length).for_each(sums_.rows(), [&](Index j) {
    kernels::vectors<T>().add(sums_.row(j), other.sums_.row(j), length);
  });
}

template <Scalar T>
MatrixView<T> ColumnGramSums<T>::to_fill() {
  is_empty_ = false;
  return sums_.view();
}

template <Scalar T>
std::span<T> ColumnGramSums<T>::all() {
  if (std::exchange(is_empty_, false)) std::ranges::fill(sums_.span(), T{0});
  return sums_.span();
}

template <Scalar T>
void ColumnGrams<T>::begin(Index columns, Index components, const Strata& strata) {
  expect(strata.one_batch, "Gram matrices of columns are summed over one batch");
  columns_ = columns;
  components_ = components;
  waiting_ = 0;
  of_waiting_.resize(static_cast<std::size_t>(columns));
  for (auto& list : of_waiting_) list.clear();
  sums_.begin(strata);
}

template <Scalar T>
void ColumnGrams<T>::begin_block(const Block<T>& block) {
  const Index rows = waiting_ + block.rows();
  expect(rows <= std::numeric_limits<std::int32_t>::max(), "rows of a block have numbers of 32 bits");
  has_weights_ = block.weights != nullptr;
  lists_missing_ = list_of_missing(block);
  const auto make_room = [&](Matrix<T>& matrix) {
    if (matrix.rows() >= rows && matrix.columns() == padded_columns<T>(components_)) return;
    Matrix<T> larger(rows, padded_columns<T>(components_));
    std::copy_n(matrix.data(), waiting_ * larger.columns(), larger.data());
    matrix = std::move(larger);
  };
  make_room(w_);
  if (has_weights_) make_room(weighted_);
  block_rows_ = block.rows();
  if (block.kind() == StorageKind::dense)
    bits_.resize(std::max(bits_.size(), static_cast<std::size_t>(strips_of<T>(columns_) * block_rows_)));
}

template <Scalar T>
void ColumnGrams<T>::keep(const TileView<T>& x, Index row, MatrixView<const T> w) {
  x.visit([&]<class Tile>(const Tile& tile) {
    if constexpr (std::is_same_v<Tile, DenseTile<T>>) find_observed(tile, bits_.data() + row, block_rows_);
  });
  const T* const weights = x.weights();
  for (Index i = 0; i < w.rows; ++i) {
    T* const to = w_.row(waiting_ + row + i);
    pad_row(w.row(i), components_, w_.columns(), to);
    if (!has_weights_) continue;
    T* const weighted = weighted_.row(waiting_ + row + i);
    for (Index c = 0; c < w_.columns(); ++c) weighted[c] = weights[i] * to[c];
  }
}

template <Scalar T>
void ColumnGrams<T>::end_block(const Team& team, const Block<T>& block) {
  std::vector<Part> parts = parts_of(block);
  std::optional<Part> goes_on;
  if (!parts.empty() && !block.begins_stratum(block.tiles())) {
    goes_on = parts.back();
    parts.pop_back();
  }
  sum_up(team, &block, parts);
  if (goes_on)
    wait(block, *goes_on);
  else
    waiting_ = 0;
}

template <Scalar T>
void ColumnGrams<T>::end(const Team& team) {
  if (waiting_ > 0) sum_up(team, nullptr, {{waiting_stratum_, {0, waiting_}, {0, 0}}});
  waiting_ = 0;
  sums_.end([&] { return std::make_unique<ColumnGramSums<T>>(columns_, components_); });
}

template <Scalar T>
auto ColumnGrams<T>::parts_of(const Block<T>& block) const -> std::vector<Part> {
  std::vector<Part> parts;
  if (waiting_ > 0) parts.push_back({waiting_stratum_, {0, waiting_}, {0, 0}});
  for (Index t = 0; t < block.tiles(); ++t) {
    const Index stratum = block.stratum(t);
    const Index row = waiting_ + block.first_row(t);
    while (!parts.empty() && parts.back().stratum < stratum - 1)  // without tiles
      parts.push_back({parts.back().stratum + 1, {row, row}, {t, t}});
    if (parts.empty() || parts.back().stratum < stratum) parts.push_back({stratum, {row, row}, {t, t}});
    parts.back().rows.end = waiting_ + block.first_row(t + 1);
    parts.back().tiles.end = t + 1;
  }
  return parts;
}

template <Scalar T>
void ColumnGrams<T>::list(const Block<T>& block, Range tiles, Range columns, Index first, Lists& lists) const {
  const Range rows{block.first_row(tiles.begin), block.first_row(tiles.end)};
  if (block.kind() == StorageKind::dense)
    return list_rows<T>(bits_, block.rows(), columns_, rows, columns, first, lists);
  list_rows(std::get<CsrBlock<T>>(block.matrix), block.observed, rows, columns, first, lists);
}

template <Scalar T>
void ColumnGrams<T>::sum_up(const Team& team, const Block<T>* block, const std::vector<Part>& parts) {
  if (parts.empty()) return;
  const kernels::ListedRows<T> rows{has_weights_ ? weighted_.data() : w_.data(), w_.data(), w_.columns()};
  const std::vector<FullGram<T>> full =
      lists_missing_ ? full_grams<T>(team, rows, components_, parts) : std::vector<FullGram<T>>();
  const SumTree tree = sums_.tree().tree();
  const std::vector<TreeNode> nodes = tree.nodes_of({parts.front().stratum, parts.back().stratum + 1});
  std::vector<std::unique_ptr<ColumnGramSums<T>>> sums;
  std::vector<MatrixView<T>> to;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    sums.push_back(sums_.take([&] { return std::make_unique<ColumnGramSums<T>>(columns_, components_); }));
    to.push_back(sums.back()->to_fill());
  }
  const Range tiles{0, parts.back().tiles.end};
  // Strips of dense X are a group; of sparse X each row is searched for a group's columns.
  const Index group = block == nullptr || block->kind() == StorageKind::dense
                          ? strip_columns<T>
                          : std::max(strip_columns<T>, columns_ / (4 * team.size()) + 1);
  struct State {
    ColumnSum<T> sum;
    Lists lists;
  };
  std::vector<State> states(static_cast<std::size_t>(team.size()), {ColumnSum<T>(rows, components_, tree, parts, full),
                                                                    Lists(static_cast<std::size_t>(group))});
  team.as_they_come((columns_ + group - 1) / group, [&](int thread, Index g) {
    auto& [sum, lists] = states[static_cast<std::size_t>(thread)];
    const Range columns{g * group, std::min(columns_, (g + 1) * group)};
    for (Index j = columns.begin; j < columns.end; ++j) {
      std::vector<std::int32_t>& of_column = lists[static_cast<std::size_t>(j - columns.begin)];
      if (waiting_ > 0)
        of_column = of_waiting_[static_cast<std::size_t>(j)];
      else
        of_column.clear();
    }
    if (block != nullptr) list(*block, tiles, columns, waiting_, lists);
    for (Index j = columns.begin; j < columns.end; ++j) {
      sum.begin(lists[static_cast<std::size_t>(j - columns.begin)]);
      for (std::size_t i = 0; i < nodes.size(); ++i) sum.sum(nodes[i], to[i].row(j));
    }
  });
  for (std::size_t i = 0; i < nodes.size(); ++i) sums_.complete(nodes[i], std::move(sums[i]));
}

template <Scalar T>
void ColumnGrams<T>::wait(const Block<T>& block, const Part& part) {
  const bool began_before = part.rows.begin == 0 && waiting_ > 0;
  if (!began_before)
    for (auto& list : of_waiting_) list.clear();
  const Index first = waiting_ + block.first_row(part.tiles.begin) - part.rows.begin;
  list(block, part.tiles, {0, columns_}, first, of_waiting_);
  const Index rows = part.rows.size();
  const auto to_front = [&](Matrix<T>& matrix) {
    if (part.rows.begin > 0) std::copy_n(matrix.row(part.rows.begin), rows * matrix.columns(), matrix.data());
  };
  to_front(w_);
  if (has_weights_) to_front(weighted_);
  waiting_ = rows;
  waiting_stratum_ = part.stratum;
}

double column_gram_bytes(Index columns, Index components, DataType type) {
  const Index numbers =
      type == DataType::float32 ? GramLayout<float>(components).size() : GramLayout<double>(components).size();
  return static_cast<double>(size_of(type)) * static_cast<double>(columns) * static_cast<double>(numbers);
}

template class ColumnGramSums<float>;
template class ColumnGramSums<double>;
template class ColumnGrams<float>;
template class ColumnGrams<double>;

}  // namespace scanmf
