#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "app/commands.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "data/row_reader.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/model/model_file.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf::app {
namespace {

constexpr Index piece_bytes = Index{1} << 26;  // of W and W*H at a time

/// Elements of `x` (rows of X as its file has them) that are missing become those of the product; all others stay.
template <Scalar T>
void fill_missing(bool zeros, MatrixView<const T> product, T* x) {
  for (Index i = 0; i < product.rows; ++i)
    for (Index j = 0; j < product.columns; ++j, ++x)
      if (std::isnan(*x) || (zeros && *x == T{0})) *x = product(i, j);
}

/// The X of --only-missing.
struct XToFill {
  MatrixDescription description;
  bool zeros = false;  // are missing, too
};

/// Each rank reads, multiplies and writes its rows piece by piece; neither W nor the product is ever held.
template <Scalar T>
int inverse_transform_as(const Communicator& comm, const CommandLine& line, const ModelHeader& header,
                         const MatrixDescription& w, const std::optional<XToFill>& filled) {
  const std::string target = line.text("output");
  const Matrix<T> Ht = read_model_Ht<T>(comm, line.text("model"));
  const Index rows = w.shape.rows;
  const RowPartition partition = RowPartition::even(rows, comm.size());
  const std::vector<std::string>& names = !w.row_names.empty()           ? w.row_names
                                          : filled                       ? filled->description.row_names
                                          : w.file == line.text("model") ? header.obs_names
                                                                         : w.row_names;
  MatrixWriter<T> writer(comm, target, "X", {rows, Ht.rows()}, names, header.feature_names, {});
  comm.agree([&] {
    const Range own = partition.piece(0, comm.rank());
    if (own.empty()) return;
    const data::RowReader<T> reader(w);
    const Index k = Ht.columns();
    const Index step =
        std::min(own.size(), reader.rows_at_a_time(piece_bytes / ((Ht.rows() + k) * static_cast<Index>(sizeof(T)))));
    Matrix<T> W(step, k);
    Matrix<T> x(step, Ht.rows());
    std::optional<data::RowReader<T>> x_reader;
    if (filled) x_reader.emplace(filled->description);
    Matrix<T> own_x(filled ? step : 0, Ht.rows());
    for (Index begin = own.begin; begin < own.end; begin += step) {
      const Range piece{begin, std::min(begin + step, own.end)};
      reader.read(piece, W.data());
      const MatrixView<T> product = x.view().middle_rows({0, piece.size()});
      scanmf::inverse_transform<T>(W.view().middle_rows({0, piece.size()}), Ht, product);
      if (x_reader) {
        x_reader->read(piece, own_x.data());
        fill_missing<T>(filled->zeros, product, own_x.data());
        writer.write_rows(begin, own_x.view().middle_rows({0, piece.size()}));
      } else {
        writer.write_rows(begin, product);
      }
    }
  });
  writer.commit();
  return static_cast<int>(ExitStatus::done);
}

/// Collective. nullopt: all of the product is wanted.
std::optional<XToFill> x_to_fill(const Communicator& comm, const CommandLine& line, const ModelHeader& header,
                                 const MatrixDescription& w) {
  if (!line.is_given("only-missing")) return std::nullopt;
  XToFill x{describe_matrix(comm, line.text("only-missing"), "NMF")};
  comm.agree([&] {
    if (x.description.is_sparse())
      throw Error(fmt::format("{} is sparse: filled, it would have {} elements; see scanmf predict for some of them",
                              line.text("only-missing"), x.description.shape.rows * x.description.shape.columns));
    if (x.description.shape.rows != w.shape.rows || x.description.shape.columns != header.n_features_in)
      throw Error(fmt::format("{} is {} x {}, but W*H is {} x {}", line.text("only-missing"), x.description.shape.rows,
                              x.description.shape.columns, w.shape.rows, header.n_features_in));
    const Attribute* const missing = find_attribute(header.params, "missing");
    x.zeros = missing != nullptr && text_of(*missing) == "zero";
  });
  return x;
}

}  // namespace

int inverse_transform(const Communicator& comm, const CommandLine& line) {
  RunLog log(comm, line);
  apply_threads(comm, line);
  const std::string model = line.text("model");
  const ModelHeader header = read_model_header(comm, model);
  const char* estimator = header.estimator == option_name(Estimator::minibatch_nmf) ? "MiniBatchNMF" : "NMF";
  const MatrixDescription w = describe_matrix(comm, line.inputs().front(), estimator, {.preferred = {"W"}});
  check_output(comm, line.text("output"), {w.file, model});
  comm.agree([&] {
    if (w.format != FileFormat::dense)
      throw Error(fmt::format("{}:{} is sparse; inverse-transform takes a dense W", w.file, w.path));
    if (w.transposed)
      throw Error(fmt::format("{}:{} holds the transpose of W (MATLAB, Octave); inverse-transform takes W by rows",
                              w.file, w.path));
    if (w.shape.columns == header.n_components) return;
    throw Error(fmt::format("{}:{} has {} columns, but the model has {} components", w.file, w.path, w.shape.columns,
                            header.n_components));
  });
  const std::optional<XToFill> filled = x_to_fill(comm, line, header, w);
  const DataType type = choose_dtype(line, filled ? filled->description.data_type : header.dtype);
  const int status =
      with_scalar(type, [&]<Scalar T>() { return inverse_transform_as<T>(comm, line, header, w, filled); });
  log.print(fmt::format("X of {} x {}: {}\n", w.shape.rows, header.n_features_in, line.text("output")));
  return status;
}

}  // namespace scanmf::app
