#include "init/passes.hpp"

#include "scanmf/parallel/ordered_sum.hpp"

namespace scanmf {

template <Scalar T>
Passes<T>::Passes(DataSource<T>& source, Index width)
    : source_(source),
      width_(width),
      right_(source.kind(), source.shape().columns, width),
      work_(static_cast<std::size_t>(team_.size())) {
  source_.communicator().agree([&] {
    for (std::size_t thread = 0; thread < work_.size(); ++thread)
      rows_.emplace_back(source_.partition().tile_rows() * width_);
  });
}

template <Scalar T>
template <class VisitTile>
void Passes<T>::pass(VisitTile&& visit_tile) {
  const auto visit_block = [&](Block<T> block) {
    block.weights = nullptr;  // the SVD is that of X
    for_each_tile(team_, block, [&](int thread, const TilePlace& place, const TileView<T>& tile) {
      visit_tile(tile, place, block.local_row + place.row, static_cast<std::size_t>(thread));
    });
  };
  source_.communicator().agree([&] {
    for (Index batch = 0; batch < source_.partition().batches(); ++batch) source_.visit(batch, visit_block);
  });
}

template <Scalar T>
void Passes<T>::multiply(const Matrix<T>& right, Matrix<T>& block) {
  right_.assign(right.view());
  pass([&](const TileView<T>& x, const TilePlace&, Index local_row, std::size_t thread) {
    project<T>(x, right_, block.view().middle_rows({local_row, local_row + x.rows()}), work_[thread]);
  });
}

template <Scalar T>
Matrix<T> Passes<T>::multiply_transposed(const Matrix<T>& block) {
  return sum_over_tiles([&](const TileView<T>& x, Index local_row, std::size_t thread, Sum& sum) {
    accumulate<T>(x, block.view().middle_rows({local_row, local_row + x.rows()}), sum.xtw, work_[thread]);
  });
}

template <Scalar T>
Matrix<T> Passes<T>::multiply_gram(const Matrix<T>& right) {
  right_.assign(right.view());
  return sum_over_tiles([&](const TileView<T>& x, Index, std::size_t thread, Sum& sum) {
    const MatrixView<T> rows(rows_[thread].data(), x.rows(), width_);
    project<T>(x, right_, rows, work_[thread]);
    accumulate<T>(x, rows, sum.xtw, work_[thread]);
  });
}

template <Scalar T>
std::unique_ptr<typename Passes<T>::Sum> Passes<T>::new_sum() const {
  auto sum = std::make_unique<Sum>();
  sum->xtw = Accumulator<T>(source_.kind(), source_.shape().columns, width_);
  sum->xtw.set_zero();
  return sum;
}

template <Scalar T>
template <class AddTile>
Matrix<T> Passes<T>::sum_over_tiles(AddTile&& add_tile) {
  const RowPartition& partition = source_.partition();
  const Communicator& comm = source_.communicator();
  const auto make = [&] { return new_sum(); };
  sums_.begin({partition.strata(), partition.strata_of(comm.rank()), partition.batches() == 1});
  pass([&](const TileView<T>& x, const TilePlace& place, Index local_row, std::size_t thread) {
    add_tile(x, local_row, thread, sums_.at(place, make));
    sums_.visited(place);
  });
  std::vector<Matrix<T>> of_nodes;
  std::vector<NodeValues<T>> nodes;
  Matrix<T> total;
  comm.agree([&] {
    sums_.end(make);
    total = Matrix<T>(source_.shape().columns, width_);
    for (const auto& [node, sum] : sums_.tree().nodes())
      sum->xtw.copy_to(of_nodes.emplace_back(total.rows(), width_).view());
  });
  for (const auto& [node, sum] : sums_.tree().nodes()) nodes.push_back({node, of_nodes[nodes.size()].span()});
  std::vector<Index> offsets = column_slices(total.rows(), comm.size());
  for (Index& offset : offsets) offset *= width_;
  OrderedSum over_strata(comm, partition.strata(), {partition.cuts().begin(), partition.cuts().end()});
  over_strata.to_slices<T>(nodes, offsets, total.span());
  comm.allgather(total.span(), offsets);
  return total;
}

template class Passes<float>;
template class Passes<double>;

}  // namespace scanmf
