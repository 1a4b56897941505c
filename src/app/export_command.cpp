#include "app/export_command.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <span>

#include "app/commands.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "io/checksums.hpp"
#include "io/hdf5.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/model/checkpoint.hpp"

namespace scanmf::app {
namespace {

/// Throws Error for what is no AnnData file, and for a matrix in it that is not of its rows and columns.
AnnDataFile read_anndata(const MatrixDescription& x) {
  const std::optional<hdf5::File> file =
      x.format == FileFormat::npy ? std::nullopt : std::optional(hdf5::File::open(x.file));
  const bool tables =
      file && !x.transposed && file->is_group("/obs") && file->is_group("/var") && !file->exists("/mod");
  const std::optional<data::Table> obs = tables ? data::read_table(*file, "/obs") : std::nullopt;
  const std::optional<data::Table> var = tables ? data::read_table(*file, "/var") : std::nullopt;
  if (!obs || !var)
    throw Error(
        fmt::format("'{}' is no AnnData file (.h5ad) with obs and var: factors are added to such files only; "
                    "without it they are written as tables",
                    x.file));
  if (x.shape != Shape{obs->length, var->length})
    throw Error(
        fmt::format("'{}:{}' is {} x {}, and obs and var of the file have {} and {} rows: obsm and varm have no "
                    "place for its factors; without the file they are written as tables",
                    x.file, x.path, x.shape.rows, x.shape.columns, obs->length, var->length));
  return {x.file, *obs, *var};
}

void refuse_what_is_no_result(const ModelHeader& header, const std::string& model) {
  if (header.estimator.empty())
    throw Error(fmt::format("'{}' is no model of this program: there is nothing to export but its /H", model));
  if (is_checkpoint(header))
    throw Error(
        fmt::format("'{}' is the checkpoint of a fit that is not done: the fit command goes on from it and writes "
                    "the model",
                    model));
}

/// Collective. W of new samples, as transform writes it, as a header that has no estimator and no features; nullopt:
/// the file is something else.
std::optional<ModelHeader> computed_W(const Communicator& comm, const std::string& file) {
  io::refuse_damaged(comm, file);
  Index is_W = 0;
  comm.agree([&] {
    if (!comm.is_root()) return;
    const hdf5::File opened = hdf5::File::open(file);
    is_W = opened.is_dataset("/W") && !opened.exists("/H") && !opened.has_attribute("/", "format") ? 1 : 0;
  });
  comm.broadcast(std::span<Index>(&is_W, 1));
  if (is_W == 0) return std::nullopt;
  const MatrixDescription W = describe_matrix(comm, file + ":/W", "NMF");
  if (W.transposed)
    throw AgreedError(fmt::format("'{}' holds the transpose of W (MATLAB, Octave): export takes W by rows", file));
  ModelHeader header;
  header.estimator.clear();
  header.dtype = W.data_type;
  header.n_components = W.shape.columns;
  header.n_samples = W.shape.rows;
  header.obs_names = W.row_names;
  return header;
}

/// Collective. Of the first input, which has been checked.
ModelHeader header_of(const Communicator& comm, const std::string& input) {
  try {
    ModelHeader header = read_model_header(comm, input);
    comm.agree([&] { refuse_what_is_no_result(header, input); });
    return header;
  } catch (const AgreedError&) {
    if (std::optional<ModelHeader> W = computed_W(comm, input)) return *W;
    throw;
  }
}

template <Scalar T>
void export_as(const Communicator& comm, const CommandLine& line, const ModelHeader& header) {
  const std::string model_file = line.inputs().front();
  const std::string target = line.text("output");
  const Matrix<T> Ht = header.estimator.empty() ? Matrix<T>() : read_model_Ht<T>(comm, model_file);
  MatrixDescription x;
  if (line.inputs().size() > 1) {
    x = describe_matrix(comm, line.inputs()[1], "NMF");
    check_output(comm, target, {x.file, model_file});
  }
  comm.agree([&] {
    if (!comm.is_root()) return;
    const ExportedModel<T> model{model_file, header, Ht, hdf5::File::open(model_file).is_dataset("/W")};
    if (!model.has_W)
      log_warning(
          fmt::format("'{}' holds no W ({}): H alone is exported; scanmf transform computes W", model_file,
                      std::isnan(header.reconstruction_err) ? "as all models of partial-fit" : "--save-w false"));
    if (x.file.empty()) {
      export_tables(model, target, line.text("format") == "tsv" ? "tsv" : "csv");
    } else {
      export_anndata(model, read_anndata(x), target);
    }
  });
}

}  // namespace

int export_model(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const std::string& model = line.inputs().front();
  const ModelHeader header = header_of(comm, model);
  with_scalar(header.dtype, [&]<Scalar T>() {
    export_as<T>(comm, line, header);
    return 0;
  });
  log.print(fmt::format("{} components of {}: {}\n", header.n_components, model, line.text("output")));
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
