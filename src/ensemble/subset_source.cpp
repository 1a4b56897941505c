#include "ensemble/subset_source.hpp"

#include <algorithm>
#include <numeric>

#include "core/at.hpp"
#include "data/visit_all.hpp"
#include "ensemble/elements.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/data/observed_source.hpp"
#include "scanmf/parallel/ordered_sum.hpp"

namespace scanmf {
namespace {

/// Calls body(column, value) for the elements of a row of a dense tile.
template <Scalar T, class Body>
void for_each_element(const DenseTile<T>& tile, Index row, Body&& body) {
  for_each_place(tile, row, [&](Index j, Index place) { body(j, tile.packed[place]); });
}

/// The same of the non-zeros of a sparse one.
template <Scalar T, class Body>
void for_each_element(const CsrTile<T>& tile, Index row, Body&& body) {
  for (Index p = tile.row_begin[row]; p < tile.row_begin[row + 1]; ++p) body(tile.column[p], tile.value[p]);
}

template <Scalar T, class Body>
void for_each_element_of(const Block<T>& block, Index row, Body&& body) {
  block.tile(row / block.tile_rows()).visit([&](const auto& tile) {
    for_each_element(tile, row % block.tile_rows(), body);
  });
}

constexpr Index tiles_of_a_block = 16;

}  // namespace

Folds Folds::draw(std::uint32_t random_state, const Shape& shape, Index count) {
  LegacyRandom random(random_state);
  Folds folds{count, {}, {}};
  for (const auto& [length, fold] : {std::pair{shape.rows, &folds.of_row}, {shape.columns, &folds.of_column}})
    for (const Index place : random.permutation(length)) fold->push_back(static_cast<std::int8_t>(place % count));
  return folds;
}

template <Scalar T>
FoldSummaries summarise_folds(DataSource<T>& x, const Folds& folds) {
  const std::size_t cells = at(folds.count * folds.count);
  FoldSummaries all{std::vector<double>(cells, 0), std::vector<Index>(cells, 0), std::vector<Index>(cells, 0)};
  const Communicator& comm = x.communicator();
  std::vector<ExactSum> sums(cells);
  std::vector<double> of_row(at(folds.count));
  data::visit_all(x, [&](const Block<T>& block) {
    for (Index i = 0; i < block.rows(); ++i) {
      const Index first = folds.of_row[at(block.global_row + i)] * folds.count;
      std::ranges::fill(of_row, 0);
      for_each_element_of(block, i, [&](Index j, T value) {
        const std::size_t fold = at(Index{folds.of_column[at(j)]});
        ++all.stored[at(first) + fold];
        if (!is_observed(block.observed, value)) return;
        of_row[fold] += static_cast<double>(value);
        all.positive[at(first) + fold] += value > 0 ? 1 : 0;
      });
      for (std::size_t fold = 0; fold < of_row.size(); ++fold) sums[at(first) + fold].add(of_row[fold]);
    }
  });
  all.sum = exact_sums(comm, sums);
  comm.allreduce_sum(std::span(all.positive));
  comm.allreduce_sum(std::span(all.stored));
  return all;
}

template <Scalar T>
SubsetSource<T>::SubsetSource(DataSource<T>& whole, const Folds& folds, const FoldSummaries& summaries,
                              const FoldSelection& selection)
    : data::WrappedSource<T>(whole), folds_(folds), selection_(selection) {
  std::int32_t columns = 0;
  for (const std::int8_t fold : folds.of_column) new_column_.push_back(selection.has_column(fold) ? columns++ : -1);
  const auto chosen_row = [&](std::int8_t fold) { return selection.has_row(fold); };
  shape_ = {std::ranges::count_if(folds.of_row, chosen_row), columns};
  if (shape_.rows == 0 || shape_.columns == 0)
    throw AgreedError("bi-cross-validation needs at least as many rows and columns as there are folds (--folds)");
  for (Index r = 0; r < folds.count; ++r)
    for (Index c = 0; c < folds.count; ++c) {
      if (!selection.has_row(static_cast<std::int8_t>(r)) || !selection.has_column(static_cast<std::int8_t>(c)))
        continue;
      const std::size_t cell = at(r * folds.count + c);
      summary_.sum += summaries.sum[cell];
      summary_.positive += summaries.positive[cell];
      summary_.stored += summaries.stored[cell];
    }
  summary_.local = summary_.stored / std::max(1, whole.communicator().size());
  make_partition();
}

/// Rows stay where they are, and in the strata where they are.
template <Scalar T>
void SubsetSource<T>::make_partition() {
  const RowPartition& whole = this->whole_.partition();
  std::vector<Index> counts;
  for (Index stratum = 0; stratum < whole.strata(); ++stratum) {
    const Range rows = whole.rows_of_stratum(stratum);
    counts.push_back(std::count_if(folds_.of_row.begin() + rows.begin,
                                   folds_.of_row.begin() + std::min(rows.end, whole.rows()),
                                   [&](std::int8_t fold) { return selection_.has_row(fold); }));
  }
  partition_ = std::make_unique<RowPartition>(whole, counts);
}

/// Chosen rows on their way, from several blocks of the other source to one of this one. Each stratum begins with a new
/// tile.
template <Scalar T>
class SubsetSource<T>::Rows {
 public:
  Rows(const SubsetSource& source, const typename DataSource<T>::Visitor& visitor)
      : source_(source),
        visitor_(visitor),
        tile_rows_(source.partition_->tile_rows()),
        capacity_(tile_rows_ * (source.kind() == StorageKind::dense ? tiles_of_a_block : 1)),
        first_row_(source.partition_->piece(0, source.communicator().rank()).begin),
        stratum_(source.partition_->strata_of(source.communicator().rank()).begin) {}

  void add(const Block<T>& block) {
    std::vector<Index> rows;
    for (Index i = 0; i < block.rows(); ++i)
      if (source_.selection_.has_row(source_.folds_.of_row[at(block.global_row + i)])) rows.push_back(i);
    for (std::size_t begin = 0; begin < rows.size();) {
      const auto count = std::min(rows.size() - begin, at(room_in_tile()));
      const std::span<const Index> part(rows.data() + begin, count);
      source_.kind() == StorageKind::dense ? add_dense(block, part) : add_sparse(block, part);
      filled_ += static_cast<Index>(count);
      begin += count;
    }
  }

  void emit() {
    if (filled_ == 0) return;
    Block<T> block;
    block.local_row = emitted_;
    block.global_row = first_row_ + emitted_;
    block.starts = starts_;
    const Index columns = source_.shape_.columns;
    if (source_.kind() == StorageKind::dense) {
      pack();
      block.matrix = DenseBlock<T>{filled_, columns, tile_rows_, packed_.data()};
    } else {
      block.matrix = CsrBlock<T>{filled_, columns, tile_rows_, row_begin_.data(), column_.data(), value_.data()};
    }
    visitor_(block);
    emitted_ += filled_;
    filled_ = 0;
    starts_.clear();
    row_begin_.assign(1, 0);
    column_.clear();
    value_.clear();
  }

 private:
  /// Rows that the next tile of the block, or what is left of the one before, takes. A block ends where its next tile
  /// does not fit.
  Index room_in_tile() {
    const Index row = first_row_ + emitted_ + filled_;
    while (source_.partition_->rows_of_stratum(stratum_).end <= row) ++stratum_;
    const Range stratum = source_.partition_->rows_of_stratum(stratum_);
    const Index in_tile = (row - stratum.begin) % tile_rows_;
    const Index room = std::min(tile_rows_ - in_tile, stratum.end - row);
    if (in_tile > 0) return room;
    if (room > capacity_ - filled_) emit();
    starts_.push_back({filled_, stratum_});
    return room;
  }

  void add_dense(const Block<T>& block, std::span<const Index> rows) {
    const Index columns = source_.shape_.columns;
    if (plain_.rows() == 0) plain_ = Matrix<T>(capacity_, columns);
    Team().for_each(static_cast<Index>(rows.size()), [&](Index i) {
      T* const to = plain_.row(filled_ + i);
      for_each_element_of(block, rows[at(i)], [&](Index j, T value) {
        if (const std::int32_t column = source_.new_column_[at(j)]; column >= 0) to[column] = value;
      });
    });
  }

  void add_sparse(const Block<T>& block, std::span<const Index> rows) {
    if (row_begin_.empty()) row_begin_.assign(1, 0);
    for (const Index row : rows) {
      for_each_element_of(block, row, [&](Index j, T value) {
        const std::int32_t column = source_.new_column_[at(j)];
        if (column < 0) return;
        column_.push_back(column);
        value_.push_back(value);
      });
      row_begin_.push_back(static_cast<Index>(value_.size()));
    }
  }

  /// In strips, as the kernels walk.
  void pack() {
    const Index padded = padded_columns<T>(source_.shape_.columns);
    if (packed_.size() == 0) packed_ = Buffer<T>(capacity_ * padded);
    const auto tiles = static_cast<Index>(starts_.size());
    Team().for_each(tiles, [&](Index tile) {
      const Range rows{starts_[at(tile)].row, tile + 1 < tiles ? starts_[at(tile + 1)].row : filled_};
      T* to = packed_.data() + rows.begin * padded;
      for (Index begin = 0; begin < padded; begin += strip_columns<T>) {
        const Index end = std::min(begin + strip_columns<T>, padded);
        for (Index i = rows.begin; i < rows.end; ++i)
          for (Index j = begin; j < end; ++j) *to++ = j < plain_.columns() ? plain_(i, j) : T{0};
      }
    });
  }

  const SubsetSource& source_;
  const typename DataSource<T>::Visitor& visitor_;
  Index tile_rows_;
  Index capacity_;  // rows of a block
  Index first_row_;
  Index stratum_;  // of the next row
  Index filled_ = 0;
  Index emitted_ = 0;
  std::vector<TileStart> starts_;
  Matrix<T> plain_;
  Buffer<T> packed_;
  std::vector<Index> row_begin_;
  std::vector<std::int32_t> column_;
  std::vector<T> value_;
};

template <Scalar T>
void SubsetSource<T>::visit(Index, const typename DataSource<T>::Visitor& visitor) {
  Rows rows(*this, visitor);
  this->whole_.visit(0, [&](const Block<T>& block) { rows.add(block); });
  rows.emit();
}

template <Scalar T>
std::unique_ptr<DataSource<T>> subset_of(DataSource<T>& whole, const Folds& folds, const FoldSummaries& summaries,
                                         const FoldSelection& selection) {
  auto subset = std::make_unique<SubsetSource<T>>(whole, folds, summaries, selection);
  if (whole.observation() == nullptr) return subset;
  return observed_source<T>(std::move(subset), {whole.observation()->observed, true});
}

template FoldSummaries summarise_folds(DataSource<float>&, const Folds&);
template FoldSummaries summarise_folds(DataSource<double>&, const Folds&);
template class SubsetSource<float>;
template class SubsetSource<double>;
template std::unique_ptr<DataSource<float>> subset_of(DataSource<float>&, const Folds&, const FoldSummaries&,
                                                      const FoldSelection&);
template std::unique_ptr<DataSource<double>> subset_of(DataSource<double>&, const Folds&, const FoldSummaries&,
                                                       const FoldSelection&);

}  // namespace scanmf
