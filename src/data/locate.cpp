#include "data/locate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "data/contents.hpp"
#include "data/foreign_file.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::data {
namespace {

bool is_within(const std::string& path, const std::string& group) {
  return group == "/" || path.starts_with(group + "/");
}

std::vector<StoredMatrix> within(std::vector<StoredMatrix> matrices, const std::string& group) {
  std::erase_if(matrices, [&](const StoredMatrix& matrix) { return !is_within(matrix.path, group); });
  return matrices;
}

/// "; name one as FILE:PATH: /layers/counts, …", or nothing.
std::string offer(const hdf5::File& file, const std::vector<StoredMatrix>& matrices) {
  if (matrices.empty()) return "";
  return fmt::format("; name one as {}:PATH: {}", file.name(), listing(matrices));
}

/// A matrix, or a dataset of which describe says why it is none.
StoredMatrix take(const hdf5::File& file, const std::string& path) {
  StoredMatrix matrix = recognise(file, path);
  if (!matrix.refusal.empty()) throw Error(matrix.refusal);
  if (matrix.nature == Nature::matrix || hdf5::object_at(file, path).kind == hdf5::ObjectKind::dataset) return matrix;
  throw Error(
      fmt::format("{} is a group, but no sparse matrix: it needs the datasets data, indices, indptr and the attributes "
                  "encoding-type (csr_matrix or csc_matrix) and shape{}",
                  file.place(path), offer(file, within(contents_of(file).matrices, path))));
}

/// The same for what the user did not name: what else there is belongs to the message.
StoredMatrix take_unnamed(const hdf5::File& file, const std::string& path) {
  const StoredMatrix matrix = recognise(file, path);
  if (matrix.refusal.empty() || matrix.nature == Nature::matrix) return take(file, path);
  throw Error(matrix.refusal + offer(file, contents_of(file).matrices));
}

/// Boolean columns of tables and single numbers are matrices when they are named, not otherwise.
std::vector<StoredMatrix> likely(const hdf5::File& file, const std::vector<StoredMatrix>& matrices) {
  std::vector<StoredMatrix> kept;
  std::copy_if(matrices.begin(), matrices.end(), std::back_inserter(kept), [&](const StoredMatrix& matrix) {
    if (matrix.format != FileFormat::dense) return true;
    const hdf5::Dataset dataset = file.dataset(matrix.dataset);
    return dataset.type().kind != hdf5::ElementClass::boolean && !(dataset.rows() == 1 && dataset.row_elements() == 1);
  });
  return kept;
}

/// 10x Genomics' list of molecules has two-dimensional datasets, but none that is a matrix of counts.
void refuse_molecules(const hdf5::File& file) {
  for (const char* name : {"/barcode_idx", "/umi", "/gem_group"})
    if (!file.exists(name)) return;
  throw Error(fmt::format(
      "{} is a molecule_info file of 10x Genomics: a list of molecules, no matrix; take filtered_feature_bc_matrix.h5 "
      "or raw_feature_bc_matrix.h5 of the same run",
      file.name()));
}

std::string refusals(const std::vector<StoredMatrix>& refused) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(refused.size(), 3); ++i) text += "; " + refused[i].refusal;
  return text;
}

StoredMatrix only_one(const hdf5::File& file) {
  refuse_molecules(file);
  const Contents contents = contents_of(file);
  const std::vector<StoredMatrix> matrices = likely(file, contents.matrices);
  const auto loom = std::find_if(matrices.begin(), matrices.end(), [](const StoredMatrix& matrix) {
    return matrix.writer == Writer::loom && matrix.path == "/matrix";
  });
  if (loom != matrices.end()) return *loom;
  if (matrices.size() > 1)
    throw Error(fmt::format("{} holds several matrices and no /X; name one as {}:PATH: {}", file.name(), file.name(),
                            listing(matrices)));
  if (!contents.whole)
    throw Error(
        fmt::format("{} holds no /X and more than can be looked through; name the matrix as {}:PATH; there is {}",
                    file.name(), file.name(), listing(contents)));
  if (matrices.size() == 1) return matrices.front();
  if (contents.matrices.empty() && contents.refused.empty() && contents.others.size() == 1)
    return take(file, contents.others.front());
  throw Error(fmt::format("{} holds no matrix (a 2-D dataset of numbers or a sparse group); there is {}{}", file.name(),
                          listing(contents), refusals(contents.refused)));
}

/// True for a link that leads nowhere.
bool dangles(const hdf5::File& file, const std::string& name) {
  constexpr std::size_t enough = 10000;
  const std::vector<hdf5::Link> links = hdf5::links_of(file, "/", enough);
  return std::any_of(links.begin(), links.end(), [&](const hdf5::Link& link) { return link.name == name; });
}

}  // namespace

hdf5::File open_input(const std::string& file) {
  try {
    return hdf5::File::open(file);
  } catch (const Error&) {
    const std::string what = foreign_file(file);
    if (what.empty()) throw;
    throw Error(what);
  }
}

Located locate_matrix(const hdf5::File& file, const std::string& path, const std::vector<std::string>& preferred) {
  if (!path.empty()) {
    if (!file.exists(path))
      throw Error(fmt::format("{} has no {}; there is {}", file.name(), path, listing(contents_of(file))));
    return {take(file, path)};
  }
  for (const std::string& name : preferred)
    if (file.exists("/" + name)) return {take_unnamed(file, "/" + name), true};
  if (file.exists("/X")) return {take_unnamed(file, "/X"), true};
  Located found{only_one(file), true};
  if (dangles(file, "X"))
    log_warning(fmt::format("/X of {} is a link that leads nowhere: X is {}, the only matrix there is", file.name(),
                            found.matrix.path));
  return found;
}

}  // namespace scanmf::data
