#include "scanmf/data/aligned_source.hpp"

#include <algorithm>
#include <utility>

#include "data/validation.hpp"
#include "data/visit_all.hpp"
#include "data/wrapped_source.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace data {
namespace {

constexpr Index bytes_at_once = Index{16} << 20;  // of copied rows
constexpr Index turns_at_once = 4;                // tiles that each thread has of them, at least

/// The elements of a column of a packed dense tile.
template <Scalar T>
struct ColumnInTile {
  ColumnInTile(Index column, Index columns, Index rows) {
    const Index strip = column / strip_columns<T> * strip_columns<T>;
    step = std::min(strip_columns<T>, padded_columns<T>(columns) - strip);
    first = strip * rows + column - strip;
  }
  Index first;
  Index step;  // to the next row
};

template <Scalar T>
class AlignedSource final : public WrappedSource<T> {
 public:
  AlignedSource(std::unique_ptr<DataSource<T>> x, std::vector<Index> column_of, const LoadOptions& options)
      : WrappedSource<T>(*x),
        x_(std::move(x)),
        column_of_(std::move(column_of)),
        new_column_(static_cast<std::size_t>(x_->shape().columns), -1) {
    for (std::size_t j = 0; j < column_of_.size(); ++j)
      if (column_of_[j] >= 0) new_column_[static_cast<std::size_t>(column_of_[j])] = static_cast<std::int32_t>(j);
    summarise(options);
  }

  Shape shape() const override { return {x_->shape().rows, columns()}; }
  const DataSummary& summary() const override { return summary_; }
  Index bytes() const override { return x_->bytes() + packed_.size() * static_cast<Index>(sizeof(T)); }
  bool in_memory() const override { return false; }

  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override {
    x_->visit(batch, [&](const Block<T>& block) {
      const Index step = tiles_at_once(block);
      for (Index tile = 0; tile < block.tiles(); tile += step) {
        const Index first = tile * block.tile_rows();
        Block<T> part = block;
        part.local_row += first;
        part.global_row += first;
        part.first_tile += tile;
        if (part.weights != nullptr) part.weights += first;
        const Index rows = std::min(block.rows() - first, step * block.tile_rows());
        part.matrix = std::visit([&](const auto& m) { return copied(m, first, rows); }, block.matrix);
        visitor(part);
      }
    });
  }

 private:
  Index columns() const { return static_cast<Index>(column_of_.size()); }

  Index tiles_at_once(const Block<T>& block) const {
    const Index wanted = turns_at_once * team_.size();
    if (block.kind() == StorageKind::csr) return wanted;
    return std::max(wanted,
                    bytes_at_once / (block.tile_rows() * padded_columns<T>(columns()) * static_cast<Index>(sizeof(T))));
  }

  std::variant<DenseBlock<T>, CsrBlock<T>> copied(const DenseBlock<T>& from, Index first_row, Index rows) {
    const Index tile_elements = from.tile_rows * padded_columns<T>(columns());
    const Index tiles = (rows + from.tile_rows - 1) / from.tile_rows;
    if (packed_.size() < tiles * tile_elements) packed_ = Buffer<T>(tiles * tile_elements);
    team_.for_each(
        tiles, [&](Index t) { copy(from.tile(first_row / from.tile_rows + t), packed_.data() + t * tile_elements); });
    return DenseBlock<T>{rows, columns(), from.tile_rows, packed_.data()};
  }

  void copy(const DenseTile<T>& from, T* to) const {
    std::fill_n(to, from.rows * padded_columns<T>(columns()), T{0});
    for (Index j = 0; j < columns(); ++j) {
      const Index column = column_of_[static_cast<std::size_t>(j)];
      if (column < 0) continue;
      const ColumnInTile<T> there(column, from.columns, from.rows);
      const ColumnInTile<T> here(j, columns(), from.rows);
      for (Index i = 0; i < from.rows; ++i) to[here.first + i * here.step] = from.packed[there.first + i * there.step];
    }
  }

  std::variant<DenseBlock<T>, CsrBlock<T>> copied(const CsrBlock<T>& from, Index first_row, Index rows) {
    const Index* const bounds = from.row_begin + first_row;
    row_begin_.assign(static_cast<std::size_t>(rows + 1), 0);
    team_.for_each(rows, [&](Index i) {
      row_begin_[static_cast<std::size_t>(i + 1)] =
          std::count_if(from.column + bounds[i], from.column + bounds[i + 1],
                        [&](std::int32_t column) { return new_column_[static_cast<std::size_t>(column)] >= 0; });
    });
    for (std::size_t i = 1; i < row_begin_.size(); ++i) row_begin_[i] += row_begin_[i - 1];
    const auto kept = static_cast<std::size_t>(row_begin_.back());
    column_.resize(kept);
    value_.resize(kept);
    team_.in_parts(rows, [&](int, Range part) {
      std::vector<std::pair<std::int32_t, T>> elements;
      for (Index i = part.begin; i < part.end; ++i) {
        elements.clear();
        for (Index p = bounds[i]; p < bounds[i + 1]; ++p)
          if (const std::int32_t column = new_column_[static_cast<std::size_t>(from.column[p])]; column >= 0)
            elements.emplace_back(column, from.value[p]);
        std::ranges::sort(elements, {}, &std::pair<std::int32_t, T>::first);
        auto to = static_cast<std::size_t>(row_begin_[static_cast<std::size_t>(i)]);
        for (const auto& [column, value] : elements) {
          column_[to] = column;
          value_[to++] = value;
        }
      }
    });
    return CsrBlock<T>{rows, columns(), from.tile_rows, row_begin_.data(), column_.data(), value_.data()};
  }

  /// Collective.
  void summarise(const LoadOptions& options) {
    const Communicator& comm = x_->communicator();
    Inspection inspection(options);
    visit_all<T>(*this, [&](const Block<T>& block) {
      std::visit([&](const auto& m) { inspection.add(m, block.global_row); }, block.matrix);
    });
    summary_ = conclude(comm, inspection, data_type_of<T>, options.estimator, "");
  }

  std::unique_ptr<DataSource<T>> x_;
  std::vector<Index> column_of_;
  std::vector<std::int32_t> new_column_;  // of each column of the other source; −1: left out
  DataSummary summary_;
  Team team_;
  // Of the rows at hand.
  Buffer<T> packed_;
  std::vector<Index> row_begin_;
  std::vector<std::int32_t> column_;
  std::vector<T> value_;
};

}  // namespace
}  // namespace data

template <Scalar T>
std::unique_ptr<DataSource<T>> aligned_source(std::unique_ptr<DataSource<T>> x, const std::vector<Index>& column_of,
                                              const LoadOptions& options) {
  return std::make_unique<data::AlignedSource<T>>(std::move(x), column_of, options);
}

template std::unique_ptr<DataSource<float>> aligned_source(std::unique_ptr<DataSource<float>>,
                                                           const std::vector<Index>&, const LoadOptions&);
template std::unique_ptr<DataSource<double>> aligned_source(std::unique_ptr<DataSource<double>>,
                                                            const std::vector<Index>&, const LoadOptions&);

}  // namespace scanmf
