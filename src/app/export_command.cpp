#include "app/export_command.hpp"

#include <fmt/format.h>

#include "app/commands.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "io/hdf5.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::app {
namespace {

/// The AnnData file that is to hold the factors.
MatrixDescription describe_anndata(const Communicator& comm, const std::string& input) {
  const MatrixDescription x = describe_matrix(comm, input, "NMF");
  comm.agree([&] {
    const bool anndata = x.format != FileFormat::npy && [&] {
      const hdf5::File file = hdf5::File::open(x.file);
      return file.is_group("/obs") && file.is_group("/var");
    }();
    if (!anndata || x.transposed)
      throw Error(
          fmt::format("'{}' is no AnnData file (.h5ad) with obs and var: factors are added to such files only; "
                      "without it they are written as tables",
                      x.file));
  });
  return x;
}

template <Scalar T>
void export_as(const Communicator& comm, const CommandLine& line, const ModelHeader& header) {
  const std::string model_file = line.inputs().front();
  const std::string target = line.text("output");
  const Matrix<T> Ht = read_model_Ht<T>(comm, model_file);
  MatrixDescription x;
  if (line.inputs().size() > 1) {
    x = describe_anndata(comm, line.inputs()[1]);
    check_output(comm, target, {x.file, model_file});
  }
  comm.agree([&] {
    if (!comm.is_root()) return;
    const ExportedModel<T> model{model_file, header, Ht, hdf5::File::open(model_file).is_dataset("/W")};
    if (!model.has_W) log_warning(fmt::format("'{}' holds no W (--save-w false): H alone is exported", model_file));
    if (x.file.empty()) {
      export_tables(model, target, line.text("format") == "tsv" ? "tsv" : "csv");
    } else {
      export_anndata(model, x.file, x.shape, x.row_names, x.feature_names, target);
    }
  });
}

}  // namespace

int export_model(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const std::string& model = line.inputs().front();
  const ModelHeader header = read_model_header(comm, model);
  comm.agree([&] {
    if (header.estimator.empty())
      throw Error(fmt::format("'{}' is no model of this program: there is nothing to export but its /H", model));
  });
  with_scalar(header.dtype, [&]<Scalar T>() {
    export_as<T>(comm, line, header);
    return 0;
  });
  log.print(fmt::format("{} components of {}: {}\n", header.n_components, model, line.text("output")));
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
