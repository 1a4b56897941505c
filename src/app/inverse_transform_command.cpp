#include <fmt/format.h>

#include <algorithm>

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

/// Each rank reads, multiplies and writes its rows piece by piece; neither W nor the product is ever held.
template <Scalar T>
int inverse_transform_as(const Communicator& comm, const CommandLine& line, const ModelHeader& header,
                         const MatrixDescription& w) {
  const std::string target = line.text("output");
  const Matrix<T> Ht = read_model_Ht<T>(comm, line.text("model"));
  const Index rows = w.shape.rows;
  const RowPartition partition(rows, rows, tile_rows_for(StorageKind::dense, rows), comm.size());
  MatrixWriter<T> writer(comm, target, "X", {rows, Ht.rows()}, w.row_names, header.feature_names, {});
  comm.agree([&] {
    const Range own = partition.piece(0, comm.rank());
    if (own.empty()) return;
    const data::RowReader<T> reader(w);
    const Index k = Ht.columns();
    const Index step =
        std::min(own.size(), reader.rows_at_a_time(piece_bytes / ((Ht.rows() + k) * static_cast<Index>(sizeof(T)))));
    Matrix<T> W(step, k);
    Matrix<T> x(step, Ht.rows());
    for (Index begin = own.begin; begin < own.end; begin += step) {
      const Range piece{begin, std::min(begin + step, own.end)};
      reader.read(piece, W.data());
      const MatrixView<T> product = x.view().middle_rows({0, piece.size()});
      scanmf::inverse_transform<T>(W.view().middle_rows({0, piece.size()}), Ht, product);
      writer.write_rows(begin, product);
    }
  });
  writer.commit();
  return static_cast<int>(ExitStatus::done);
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
  const DataType type = choose_dtype(line, header.dtype);
  const int status = with_scalar(type, [&]<Scalar T>() { return inverse_transform_as<T>(comm, line, header, w); });
  log.print(fmt::format("X of {} x {}: {}\n", w.shape.rows, header.n_features_in, line.text("output")));
  return status;
}

}  // namespace scanmf::app
