#pragma once

#include <string>
#include <vector>

#include "scanmf/core/types.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf::app {

/// A model whose file has been checked, for export. Root alone uses it.
template <Scalar T>
struct ExportedModel {
  std::string file;
  const ModelHeader& header;
  const Matrix<T>& Ht;  // n x k
  bool has_W = false;
};

/// Where each of `names` stands in `wanted`: result[i] is the place in `wanted` of names[i]. Without names on either
/// side the numbers must agree. all: every one of `wanted` must be there too. Throws Error ("what" of "model" and
/// "file" for the message) when that cannot be told or is not so.
std::vector<Index> places_of(const std::string& what, const std::vector<std::string>& names, Index count,
                             const std::vector<std::string>& wanted, Index wanted_count, bool all);

/// Local. Writes `target`, whole or not at all: a copy of the AnnData file `source` with W as obsm/X_nmf, Ht as
/// varm/NMF, and parameters, error and history in uns/nmf. Features and samples are matched by names where both have
/// them. row_names and feature_names: of the file.
template <Scalar T>
void export_anndata(const ExportedModel<T>& model, const std::string& source, const Shape& shape,
                    const std::vector<std::string>& row_names, const std::vector<std::string>& feature_names,
                    const std::string& target);

/// Local. Writes the folder `target`, whole or not at all: W, H and the features with the largest weights as text, one
/// table a file ("csv" or "tsv"). A folder that holds nothing but such tables is replaced.
template <Scalar T>
void export_tables(const ExportedModel<T>& model, const std::string& target, const std::string& format);

}  // namespace scanmf::app
