#include <fmt/format.h>

#include "io/output_file.hpp"
#include "model/write_arrays.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf {
namespace {

constexpr std::size_t matrix_dataset = 0;  // in the layout; the names follow

io::FileLayout lay_out(const std::string& dataset, const Shape& shape, io::StoredType type,
                       const std::vector<std::string>& row_names, const std::vector<std::string>& column_names,
                       const Attributes& attributes) {
  io::FileLayout layout;
  layout.datasets.push_back({dataset, {shape.rows, shape.columns}, type});
  for (const auto& [group, names] : {std::pair("/obs", &row_names), std::pair("/var", &column_names)}) {
    if (names->empty()) continue;
    layout.datasets.push_back(names_layout(std::string(group) + "/_index", *names));
    layout.groups.push_back({group, true});
  }
  layout.attributes.push_back({"/", attributes});
  return layout;
}

}  // namespace

template <Scalar T>
struct MatrixWriter<T>::State {
  Shape shape;
  io::OutputFile file;
};

template <Scalar T>
MatrixWriter<T>::MatrixWriter(const Communicator& comm, const std::string& target, const std::string& dataset,
                              const Shape& shape, const std::vector<std::string>& row_names,
                              const std::vector<std::string>& column_names, const Attributes& attributes) {
  const io::FileLayout layout = lay_out(dataset, shape, stored_type<T>, row_names, column_names, attributes);
  state_ = std::unique_ptr<State>(new State{shape, io::OutputFile(comm, target, layout)});
  comm.agree([&] {
    if (!comm.is_root()) return;
    std::size_t next = matrix_dataset + 1;
    for (const auto* names : {&row_names, &column_names}) {
      if (names->empty()) continue;
      write_names(state_->file, next, *names, layout.datasets[next].text_bytes);
      ++next;
    }
  });
}

template <Scalar T>
MatrixWriter<T>::~MatrixWriter() = default;

template <Scalar T>
void MatrixWriter<T>::write_rows(Index first_row, MatrixView<const T> rows) {
  if (rows.rows > 0 && rows.columns != state_->shape.columns)
    throw Error(
        fmt::format("rows of {} elements were given for a matrix of {} columns", rows.columns, state_->shape.columns));
  scanmf::write_rows<T>(state_->file, matrix_dataset, first_row, rows);
}

template <Scalar T>
void MatrixWriter<T>::commit() {
  state_->file.commit();
}

template class MatrixWriter<float>;
template class MatrixWriter<double>;

}  // namespace scanmf
