#include "data/densified_source.hpp"

#include <algorithm>

#include "data/packing.hpp"
#include "data/wrapped_source.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf::data {
namespace {

/// Of dense rows: large enough for all threads, small enough to stay in the cache.
constexpr Index bytes_of_thread = Index{1} << 20;

template <Scalar T>
class DensifiedSource final : public WrappedSource<T> {
 public:
  explicit DensifiedSource(std::unique_ptr<DataSource<T>> sparse)
      : WrappedSource<T>(*sparse), sparse_(std::move(sparse)) {}

  StorageKind kind() const override { return StorageKind::dense; }
  Index bytes() const override { return sparse_->bytes() + packed_.size() * static_cast<Index>(sizeof(T)); }

  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override {
    sparse_->visit(batch, [&](const Block<T>& block) {
      const Index step = tiles_at_once(block);
      for (Index tile = 0; tile < block.tiles(); tile += step) {
        const Range rows{block.first_row(tile), block.first_row(std::min(tile + step, block.tiles()))};
        Block<T> part = block;
        part.local_row += rows.begin;
        part.global_row += rows.begin;
        part.first_tile += tile;
        if (part.weights != nullptr) part.weights += rows.begin;
        part.matrix = dense(std::get<CsrBlock<T>>(block.matrix), rows);
        visitor(part);
      }
    });
  }

 private:
  /// Whole strata, one at least for each thread.
  Index tiles_at_once(const Block<T>& block) const {
    const Index tile_bytes =
        block.tile_rows() * padded_columns<T>(this->shape().columns) * static_cast<Index>(sizeof(T));
    const Index strata = std::max<Index>(1, bytes_of_thread / (tile_bytes * block.tiles_a_stratum));
    return strata * Team().size() * block.tiles_a_stratum;
  }

  DenseBlock<T> dense(const CsrBlock<T>& from, Range rows) {
    const PackedRows<T> to{packed_.data(), rows.size(), this->shape().columns, from.tile_rows};
    if (packed_.size() < to.elements()) {
      packed_ = Buffer<T>(to.elements());
      return dense(from, rows);
    }
    to.put_sparse(0, {rows.size(), from.columns, from.tile_rows, from.row_begin + rows.begin, from.column, from.value});
    return to.block();
  }

  std::unique_ptr<DataSource<T>> sparse_;
  Buffer<T> packed_;
};

}  // namespace

template <Scalar T>
std::unique_ptr<DataSource<T>> densified_source(std::unique_ptr<DataSource<T>> sparse) {
  return std::make_unique<DensifiedSource<T>>(std::move(sparse));
}

template std::unique_ptr<DataSource<float>> densified_source(std::unique_ptr<DataSource<float>>);
template std::unique_ptr<DataSource<double>> densified_source(std::unique_ptr<DataSource<double>>);

}  // namespace scanmf::data
