#pragma once

#include <string>

#include "data/names.hpp"
#include "scanmf/core/types.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf::app {

/// A model whose file has been checked, or a W that transform has computed, for export. Root alone uses it.
template <Scalar T>
struct ExportedModel {
  std::string file;
  const ModelHeader& header;
  const Matrix<T>& Ht;  // n x k; empty: there is W alone
  bool has_W = false;
  bool has_H() const { return Ht.rows() > 0; }
};

/// The AnnData file that is to hold the factors: its tables say what its rows and columns are.
struct AnnDataFile {
  std::string file;
  data::Table obs;
  data::Table var;
};

/// Local. Writes `target`, whole or not at all: a copy of the AnnData file `source` with W as obsm/X_nmf, Ht as
/// varm/NMF, and parameters, error and history in uns/nmf (of W alone the first only). Features and samples are matched
/// by names, or by their places, with a warning, where one side has none.
template <Scalar T>
void export_anndata(const ExportedModel<T>& model, const AnnDataFile& source, const std::string& target);

/// Local. Writes the folder `target`, whole or not at all: W, H and the features with the largest weights as text, one
/// table a file ("csv" or "tsv"). A folder that holds nothing but such tables, by their first lines, is replaced.
template <Scalar T>
void export_tables(const ExportedModel<T>& model, const std::string& target, const std::string& format);

}  // namespace scanmf::app
