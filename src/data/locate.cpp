#include "data/locate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

constexpr int deepest_group = 16;

std::string inside(const std::string& group, const std::string& member) { return group == "/" ? "/" + member : group + "/" + member; }

/// Calls visit(path, is_group) for everything in the file, top down. Members of sparse groups are parts of a matrix and not visited.
template <class F>
void walk(const hdf5::File& file, const std::string& group, int depth, F& visit) {
  for (const std::string& member : file.members(group)) {
    const std::string path = inside(group, member);
    if (file.is_dataset(path)) {
      visit(path, false);
    } else if (file.is_group(path)) {
      visit(path, true);
      if (depth < deepest_group && sparse_layout(file, path) == SparseLayout::none) walk(file, path, depth + 1, visit);
    }
  }
}

struct Contents {
  std::vector<std::string> matrices;
  std::vector<std::string> datasets;
};

Contents contents_of(const hdf5::File& file) {
  Contents found;
  auto visit = [&](const std::string& path, bool is_group) {
    if (is_group) {
      if (sparse_layout(file, path) != SparseLayout::none) found.matrices.push_back(path);
      return;
    }
    const hdf5::Dataset dataset = file.dataset(path);
    if (dataset.dimensions().size() == 2 && dataset.type().is_number()) found.matrices.push_back(path);
    found.datasets.push_back(path);
  };
  walk(file, "/", 0, visit);
  return found;
}

std::string listing(std::vector<std::string> paths) {
  constexpr std::size_t longest = 20;
  if (paths.empty()) return "nothing";
  const bool more = paths.size() > longest;
  if (more) paths.resize(longest);
  return fmt::format("{}{}", fmt::join(paths, ", "), more ? ", …" : "");
}

std::vector<std::string> everything(const hdf5::File& file) {
  const Contents contents = contents_of(file);
  std::vector<std::string> all = contents.matrices;
  for (const std::string& dataset : contents.datasets)
    if (std::find(all.begin(), all.end(), dataset) == all.end()) all.push_back(dataset);
  return all;
}

/// The group around `path`; "" above the root.
std::string parent_of(const std::string& path) {
  if (path == "/") return "";
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

/// Names in a table of AnnData: a group whose attribute _index names the dataset, or, in old files, a compound dataset.
std::vector<std::string> names_in_table(const hdf5::File& file, const std::string& table) {
  if (file.is_dataset(table)) {
    const hdf5::Dataset rows = file.dataset(table);
    if (rows.type().kind != hdf5::ElementClass::compound || rows.dimensions().size() != 1) return {};
    const std::string member = file.read_string_attribute(table, "_index").value_or("index");
    return file.read_strings_member(table, member);
  }
  if (!file.is_group(table)) return {};
  const std::string index = file.read_string_attribute(table, "_index").value_or(file.exists(inside(table, "_index")) ? "_index" : "index");
  const std::string path = inside(table, index);
  if (!file.is_dataset(path) || file.dataset(path).type().kind != hdf5::ElementClass::string) return {};
  return file.read_strings(path);
}

/// Length of a table without reading it; −1 when unknown.
Index length_of_table(const hdf5::File& file, const std::string& table) {
  if (file.is_dataset(table)) return file.dataset(table).rows();
  if (!file.is_group(table)) return -1;
  const std::string index = file.read_string_attribute(table, "_index").value_or(file.exists(inside(table, "_index")) ? "_index" : "index");
  return file.is_dataset(inside(table, index)) ? file.dataset(inside(table, index)).rows() : -1;
}

}  // namespace

SparseLayout sparse_layout(const hdf5::File& file, const std::string& group) {
  const std::string encoding =
      file.read_string_attribute(group, "encoding-type").value_or(file.read_string_attribute(group, "h5sparse_format").value_or(""));
  if (encoding == "csr_matrix" || encoding == "csr") return SparseLayout::csr;
  if (encoding == "csc_matrix" || encoding == "csc") return SparseLayout::csc;
  for (const char* part : {"data", "indices", "indptr", "shape", "barcodes"})
    if (!file.is_dataset(inside(group, part))) return SparseLayout::none;
  return SparseLayout::cells;
}

std::string locate_matrix(const hdf5::File& file, const std::string& path, const std::vector<std::string>& preferred) {
  if (!path.empty()) {
    if (!file.exists(path)) throw Error(fmt::format("{} has no {}; there is {}", file.name(), path, listing(everything(file))));
    return path;
  }
  for (const std::string& name : preferred)
    if (file.exists("/" + name)) return "/" + name;
  if (file.exists("/X")) return "/X";
  const Contents contents = contents_of(file);
  if (contents.matrices.size() == 1) return contents.matrices.front();
  if (contents.matrices.size() > 1)
    throw Error(fmt::format("{} holds several matrices and no /X; name one as {}:PATH: {}", file.name(), file.name(), listing(contents.matrices)));
  if (contents.datasets.size() == 1) return contents.datasets.front();
  throw Error(fmt::format("{} holds no matrix (a 2-D dataset of numbers or a sparse group); there is {}", file.name(), listing(contents.datasets)));
}

std::vector<std::string> find_names(const hdf5::File& file, const std::string& matrix, const std::string& kind, Index count) {
  for (std::string group = parent_of(matrix); !group.empty(); group = parent_of(group)) {
    const std::string table = inside(group, kind);
    if (!file.exists(table) || length_of_table(file, table) != count) continue;
    std::vector<std::string> names = names_in_table(file, table);
    if (static_cast<Index>(names.size()) == count) return names;
  }
  return {};
}

}  // namespace scanmf::data
