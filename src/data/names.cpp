#include "data/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/printable.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::data {
namespace {

using hdf5::Dataset;
using hdf5::ElementClass;
using hdf5::File;
using hdf5::ObjectKind;

/// A list of strings as programs write them: a dataset, or a group of anndata. `path` of the group or dataset that
/// holds them.
struct Column {
  enum class Form { strings, nullable, categorical };
  std::string path;
  Form form = Form::strings;
  Index length = 0;
};

Index list_length(const Dataset& dataset) {
  const std::vector<Index>& lengths = dataset.dimensions();
  return lengths.size() == 1 ? lengths[0] : -1;
}

/// The form and length of a list; nullopt for what is none.
std::optional<Column> column_at(const File& file, const std::string& path) {
  const ObjectKind kind = hdf5::object_at(file, path).kind;
  if (kind == ObjectKind::dataset) {
    const Dataset dataset = file.dataset(path);
    if (dataset.type().kind != ElementClass::string || list_length(dataset) < 0) return std::nullopt;
    return Column{path, Column::Form::strings, list_length(dataset)};
  }
  if (kind != ObjectKind::group) return std::nullopt;
  const auto has = [&](const char* name) {
    return hdf5::object_at(file, inside(path, name)).kind == ObjectKind::dataset;
  };
  if (has("values") && has("mask"))
    return Column{path, Column::Form::nullable, list_length(file.dataset(inside(path, "values")))};
  if (has("codes") && has("categories"))
    return Column{path, Column::Form::categorical, list_length(file.dataset(inside(path, "codes")))};
  return std::nullopt;
}

std::vector<std::string> read_nullable(const File& file, const Column& column) {
  std::vector<std::string> names = file.read_strings(inside(column.path, "values"));
  const std::vector<Index> mask = file.dataset(inside(column.path, "mask")).read_all<Index>();
  for (std::size_t i = 0; i < std::min(names.size(), mask.size()); ++i)
    if (mask[i] != 0) names[i].clear();
  return names;
}

std::vector<std::string> read_categorical(const File& file, const Column& column) {
  const std::vector<std::string> categories = file.read_strings(inside(column.path, "categories"));
  std::vector<std::string> names;
  for (const Index code : file.dataset(inside(column.path, "codes")).read_all<Index>()) {
    if (code >= static_cast<Index>(categories.size()))
      throw Error(fmt::format("{} names category {} of {}", file.place(column.path), code, categories.size()));
    names.push_back(code < 0 ? "" : categories[static_cast<std::size_t>(code)]);
  }
  return names;
}

/// Bytes beyond ASCII as the characters of Latin-1 that they are, in UTF-8.
std::string from_latin1(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      result += c;
    } else {
      result += static_cast<char>(0xC0U | (byte >> 6U));
      result += static_cast<char>(0x80U | (byte & 0x3FU));
    }
  }
  return result;
}

void make_utf8(std::vector<std::string>& names, const std::string& place) {
  std::size_t changed = 0;
  for (std::string& name : names) {
    if (is_utf8(name)) continue;
    name = from_latin1(name);
    ++changed;
  }
  if (changed > 0) log_warning(fmt::format("{}: {} names are not UTF-8 and are read as Latin-1", place, changed));
}

std::vector<std::string> read_column(const File& file, const Column& column) {
  std::vector<std::string> names;
  if (column.form == Column::Form::nullable) {
    names = read_nullable(file, column);
  } else if (column.form == Column::Form::categorical) {
    names = read_categorical(file, column);
  } else {
    names = file.read_strings(column.path);
  }
  make_utf8(names, file.place(column.path));
  return names;
}

/// What find() returns, or a warning and nothing.
template <class F>
auto or_warn(const std::string& place, F&& find) -> decltype(find()) {
  try {
    return find();
  } catch (const Error& error) {
    log_warning(fmt::format("the names of {} cannot be read, X goes without them: {}", place, error.what()));
    return {};
  }
}

/// The first of these lists that has `count` strings.
std::vector<std::string> first_list(const File& file, const std::string& group,
                                    std::initializer_list<const char*> candidates, Index count) {
  for (const char* candidate : candidates) {
    const std::string path = inside(group, candidate);
    const std::vector<std::string> names = or_warn(file.place(path), [&]() -> std::vector<std::string> {
      const std::optional<Column> column = column_at(file, path);
      if (!column || column->length != count) return {};
      return read_column(file, *column);
    });
    if (static_cast<Index>(names.size()) == count) return names;
  }
  return {};
}

// Tables of AnnData: a group whose attribute _index names the list, or, in old files, a compound dataset.

std::string index_of_table(const File& file, const std::string& table) {
  const auto stated = file.read_string_attribute(table, "_index");
  return inside(table, stated.value_or(file.exists(inside(table, "_index")) ? "_index" : "index"));
}

/// Length of a table without reading it; −1 when it is no table.
Index length_of_table(const File& file, const std::string& table) {
  const ObjectKind kind = hdf5::object_at(file, table).kind;
  if (kind == ObjectKind::dataset) {
    const Dataset rows = file.dataset(table);
    return rows.type().kind == ElementClass::compound ? list_length(rows) : -1;
  }
  if (kind != ObjectKind::group) return -1;
  const std::optional<Column> column = column_at(file, index_of_table(file, table));
  return column ? column->length : -1;
}

std::vector<std::string> names_in_table(const File& file, const std::string& table) {
  if (hdf5::object_at(file, table).kind == ObjectKind::group)
    return read_column(file, *column_at(file, index_of_table(file, table)));
  const Dataset rows = file.dataset(table);
  std::string member = file.read_string_attribute(table, "_index").value_or("index");
  const std::vector<std::string> members = hdf5::compound_members(rows);
  if (std::find(members.begin(), members.end(), member) == members.end())
    throw Error(fmt::format("the table has no member {}", member));
  std::vector<std::string> names = file.read_strings_member(table, member);
  make_utf8(names, file.place(table));
  return names;
}

/// The group around a matrix that its tables lie beside: for /layers/counts and /raw/X that of layers and raw too.
bool is_nearest(const std::string& matrix, const std::string& group) {
  return parent_of(matrix) == group || parent_of(matrix) == inside(group, "layers");
}

/// Of table `kind` ("obs" or "var") in the nearest group around the matrix whose length fits.
std::vector<std::string> names_around(const File& file, const std::string& matrix, const char* kind, Index count) {
  std::string unfit;
  for (std::string group = parent_of(matrix); !group.empty(); group = parent_of(group)) {
    const std::string table = inside(group, kind);
    if (!file.exists(table)) continue;
    const Index length =
        or_warn(file.place(table), [&] { return std::optional<Index>(length_of_table(file, table)); }).value_or(-1);
    if (length == count) return or_warn(file.place(table), [&] { return names_in_table(file, table); });
    if (length >= 0 && is_nearest(matrix, group))
      unfit = fmt::format("{} has {} names, {} has {} {}: X goes without them", file.place(table), length, matrix,
                          count, std::string(kind) == "var" ? "columns" : "rows");
  }
  if (!unfit.empty()) log_warning(unfit);
  return {};
}

/// HDF5Array (R): /.NAME_dimnames/1 are those of R's rows, which HDF5 calls columns.
Names dimnames(const File& file, const std::string& matrix, const Shape& shape) {
  const std::string name = matrix.substr(matrix.rfind('/') + 1);
  const std::string group = inside(parent_of(matrix), fmt::format(".{}_dimnames", name));
  return {first_list(file, group, {"2"}, shape.rows), first_list(file, group, {"1"}, shape.columns)};
}

}  // namespace

Names find_names(const File& file, const StoredMatrix& matrix, const Shape& shape) {
  const std::string& path = matrix.path;
  const std::string around = parent_of(path);
  switch (matrix.writer) {
    case Writer::tenx:
      return {first_list(file, path, {"barcodes"}, shape.rows),
              first_list(file, path, {"features/name", "gene_names", "features/id", "genes"}, shape.columns)};
    case Writer::seurat:
      return {first_list(file, "/", {"cell.names"}, shape.rows), first_list(file, around, {"features"}, shape.columns)};
    case Writer::loom:
      return {first_list(file, "/row_attrs", {"Gene", "var_names", "GeneName", "gene_names", "Accession"}, shape.rows),
              first_list(file, "/col_attrs", {"CellID", "obs_names", "cell_names", "barcodes"}, shape.columns)};
    case Writer::pandas:
      if (matrix.columns_first)
        return {first_list(file, path, {"block0_items"}, shape.rows), first_list(file, path, {"axis1"}, shape.columns)};
      return {first_list(file, path, {"axis1"}, shape.rows), first_list(file, path, {"block0_items"}, shape.columns)};
    case Writer::matlab:
    case Writer::octave:
      return {};
    case Writer::rhdf5:
      return dimnames(file, path, shape);
    default:
      return {names_around(file, path, "obs", shape.rows), names_around(file, path, "var", shape.columns)};
  }
}

std::optional<Table> read_table(const File& file, const std::string& table) {
  const Index length = length_of_table(file, table);
  if (length < 0) return std::nullopt;
  return Table{length, or_warn(file.place(table), [&] { return names_in_table(file, table); })};
}

std::vector<std::string> feature_types(const File& file, const StoredMatrix& matrix, const Shape& shape) {
  if (matrix.writer == Writer::tenx) return first_list(file, matrix.path, {"features/feature_type"}, shape.columns);
  for (std::string group = parent_of(matrix.path); !group.empty(); group = parent_of(group)) {
    std::vector<std::string> types = first_list(file, inside(group, "var"), {"feature_types"}, shape.columns);
    if (!types.empty()) return types;
  }
  return {};
}

}  // namespace scanmf::data
