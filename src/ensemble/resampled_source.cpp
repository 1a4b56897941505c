#include "ensemble/resampled_source.hpp"

#include <algorithm>

#include "data/visit_all.hpp"
#include "ensemble/elements.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/linalg/operations.hpp"
#include "scanmf/parallel/environment.hpp"
#include "scanmf/parallel/ordered_sum.hpp"

namespace scanmf {
namespace {

/// Of the memory that is free beside X, for a drawn one.
constexpr double share_for_drawn = 0.5;

/// Of the elements that are observed.
template <Scalar T>
ElementTotals totals_of(const TileView<T>& tile) {
  if (tile.observed() == Observed::all) return element_totals<T>(tile.stored(), T{0});
  ElementTotals totals;
  for (const T value : tile.stored()) {
    if (!(value > 0)) continue;
    totals.sum += static_cast<double>(value);
    ++totals.positive;
  }
  return totals;
}

}  // namespace

template <Scalar T>
ResampledSource<T>::ResampledSource(DataSource<T>& whole, const Resample& how, bool keep)
    : data::WrappedSource<T>(whole), how_(how), keep_(keep && whole.in_memory()), summary_(whole.summary()) {
  summarise();
  if (summary_.positive == 0)
    throw AgreedError(
        "nothing but zeros was drawn: the values of X are too small for counts (option '--resample'): scale X, or take "
        "--resample uniform");
}

template <Scalar T>
void ResampledSource<T>::visit(Index batch, const typename DataSource<T>::Visitor& visitor) {
  this->whole_.visit(batch, [&](const Block<T>& block) {
    const auto [place, is_new] = keep_ ? kept_.try_emplace(block.local_row) : std::pair{kept_.end(), true};
    Drawn& drawn = keep_ ? place->second : last_;
    Block<T> own = block;
    std::visit(
        [&](auto matrix) {
          if (is_new) draw(matrix, block.global_row, drawn);
          if constexpr (std::is_same_v<decltype(matrix), DenseBlock<T>>) {
            matrix.packed = drawn.values.data();
          } else {
            matrix.row_begin = drawn.row_begin.data();
            matrix.column += block.elements() > 0 ? std::get<CsrBlock<T>>(block.matrix).row_begin[0] : 0;
            matrix.value = drawn.values.data();
          }
          own.matrix = matrix;
        },
        block.matrix);
    visitor(own);
  });
}

template <Scalar T>
void ResampledSource<T>::draw(const DenseBlock<T>& block, Index first_row, Drawn& to) const {
  const Index size = block.rows * padded_columns<T>(block.columns);
  if (to.values.size() < size) to.values = Buffer<T>(size);
  const Index tiles = (block.rows + block.tile_rows - 1) / block.tile_rows;
  Team().for_each(tiles, [&](Index t) {
    const DenseTile<T> tile = block.tile(t);
    T* const packed = to.values.data() + (tile.packed - block.packed);
    std::fill_n(packed, tile.rows * padded_columns<T>(tile.columns), T{0});
    std::vector<T> row(static_cast<std::size_t>(tile.columns));
    for (Index i = 0; i < tile.rows; ++i) {
      for_each_place(tile, i, [&](Index j, Index at) { row[static_cast<std::size_t>(j)] = tile.packed[at]; });
      resample_row<T>(how_, first_row + t * block.tile_rows + i, nullptr, row);
      for_each_place(tile, i, [&](Index j, Index at) { packed[at] = row[static_cast<std::size_t>(j)]; });
    }
  });
}

template <Scalar T>
void ResampledSource<T>::draw(const CsrBlock<T>& block, Index first_row, Drawn& to) const {
  const Index first = block.row_begin[0];
  if (to.values.size() < block.elements()) to.values = Buffer<T>(block.elements());
  to.row_begin.resize(static_cast<std::size_t>(block.rows) + 1);
  std::transform(block.row_begin, block.row_begin + block.rows + 1, to.row_begin.begin(),
                 [&](Index begin) { return begin - first; });
  const Index tiles = (block.rows + block.tile_rows - 1) / block.tile_rows;
  Team().for_each(tiles, [&](Index t) {
    for (Index i = t * block.tile_rows; i < std::min(block.rows, (t + 1) * block.tile_rows); ++i) {
      const Index begin = block.row_begin[i];
      const Index count = block.row_begin[i + 1] - begin;
      T* const values = to.values.data() + (begin - first);
      std::copy_n(block.value + begin, count, values);
      resample_row<T>(how_, first_row + i, block.column + begin, {values, static_cast<std::size_t>(count)});
    }
  });
}

template <Scalar T>
void ResampledSource<T>::summarise() {
  const Communicator& comm = this->communicator();
  ExactSum sum;
  Index positive = 0;
  data::visit_all<T>(*this, [&](const Block<T>& block) {
    for (Index t = 0; t < block.tiles(); ++t) {
      const ElementTotals totals = totals_of(block.tile(t));
      sum.add(totals.sum);
      positive += totals.positive;
    }
  });
  summary_.sum = exact_sum(comm, sum);
  summary_.positive = comm.sum(positive);
}

template <Scalar T>
std::unique_ptr<DataSource<T>> resampled(DataSource<T>& x, const EnsembleOptions& options, std::uint32_t seed,
                                         const MemoryLimit& memory, int groups) {
  if (options.resample == Resampling::none) return nullptr;
  const Communicator& comm = x.communicator();
  const double free = memory.bytes ? static_cast<double>(*memory.bytes - x.bytes())
                                   : share_for_drawn / groups * static_cast<double>(available_memory(comm));
  const bool fits = comm.max(static_cast<double>(x.bytes()) - free) <= 0;
  return std::make_unique<ResampledSource<T>>(x, Resample{options.resample, options.resample_width, seed}, fits);
}

template class ResampledSource<float>;
template class ResampledSource<double>;
template std::unique_ptr<DataSource<float>> resampled(DataSource<float>&, const EnsembleOptions&, std::uint32_t,
                                                      const MemoryLimit&, int);
template std::unique_ptr<DataSource<double>> resampled(DataSource<double>&, const EnsembleOptions&, std::uint32_t,
                                                       const MemoryLimit&, int);

}  // namespace scanmf
