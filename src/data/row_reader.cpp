#include "data/row_reader.hpp"

#include <algorithm>

#include "io/hdf5.hpp"

namespace scanmf::data {

template <Scalar T>
struct RowReader<T>::State {
  hdf5::File file;
  hdf5::Dataset dataset;
};

template <Scalar T>
RowReader<T>::RowReader(const MatrixDescription& description) {
  hdf5::File file = hdf5::File::open(description.file);
  hdf5::Dataset dataset = file.dataset(description.path);
  state_ = std::unique_ptr<State>(new State{std::move(file), std::move(dataset)});
}

template <Scalar T>
RowReader<T>::~RowReader() = default;

template <Scalar T>
Index RowReader<T>::rows_at_a_time(Index most) const {
  const Index chunk = state_->dataset.chunk().empty() ? 1 : state_->dataset.chunk()[0];
  return chunk < most ? most / chunk * chunk : std::max<Index>(1, most);
}

template <Scalar T>
void RowReader<T>::read(Range rows, T* to) const {
  state_->dataset.read_rows(rows, to);
}

template class RowReader<float>;
template class RowReader<double>;

}  // namespace scanmf::data
