#include "init/passes.hpp"

#include "scanmf/linalg/tile_loop.hpp"

namespace scanmf {

template <Scalar T>
Passes<T>::Passes(DataSource<T>& source, Index width)
    : source_(source),
      width_(width),
      right_(source.kind(), source.shape().columns, width),
      work_(static_cast<std::size_t>(team_.size())) {
  source_.communicator().agree([&] {
    for (std::size_t thread = 0; thread < work_.size(); ++thread) {
      sums_.emplace_back(source_.kind(), source_.shape().columns, width_);
      rows_.emplace_back(source_.partition().tile_rows() * width_);
    }
  });
}

template <Scalar T>
template <class VisitTile>
void Passes<T>::pass(VisitTile&& visit_tile) {
  const auto visit_block = [&](Block<T> block) {
    block.weights = nullptr;  // the SVD is that of X
    for_each_tile(team_, block, [&](int thread, Index row, const TileView<T>& tile) {
      visit_tile(tile, block.local_row + row, static_cast<std::size_t>(thread));
    });
  };
  source_.communicator().agree([&] {
    for (Index batch = 0; batch < source_.partition().batches(); ++batch) source_.visit(batch, visit_block);
  });
}

template <Scalar T>
void Passes<T>::multiply(const Matrix<T>& right, Matrix<T>& block) {
  right_.assign(right.view());
  pass([&](const TileView<T>& x, Index local_row, std::size_t thread) {
    project<T>(x, right_, block.view().middle_rows({local_row, local_row + x.rows()}), work_[thread]);
  });
}

template <Scalar T>
Matrix<T> Passes<T>::multiply_transposed(const Matrix<T>& block) {
  clear_sums();
  pass([&](const TileView<T>& x, Index local_row, std::size_t thread) {
    accumulate<T>(x, block.view().middle_rows({local_row, local_row + x.rows()}), sums_[thread], work_[thread]);
  });
  return sum_of_threads();
}

template <Scalar T>
Matrix<T> Passes<T>::multiply_gram(const Matrix<T>& right) {
  right_.assign(right.view());
  clear_sums();
  pass([&](const TileView<T>& x, Index, std::size_t thread) {
    const MatrixView<T> rows(rows_[thread].data(), x.rows(), width_);
    project<T>(x, right_, rows, work_[thread]);
    accumulate<T>(x, rows, sums_[thread], work_[thread]);
  });
  return sum_of_threads();
}

template <Scalar T>
void Passes<T>::clear_sums() {
  for (Accumulator<T>& sums : sums_) sums.set_zero();
}

template <Scalar T>
Matrix<T> Passes<T>::sum_of_threads() {
  Matrix<T> total(source_.shape().columns, width_);
  std::vector<Accumulator<T>*> parts;
  for (Accumulator<T>& part : sums_) parts.push_back(&part);
  sum_accumulators<T>(parts, total.view());
  return total;
}

template class Passes<float>;
template class Passes<double>;

}  // namespace scanmf
