#include "data/stored_matrix.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/checked.hpp"
#include "core/number_text.hpp"
#include "data/missing.hpp"
#include "io/dataset_storage.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

using hdf5::Dataset;
using hdf5::File;
using hdf5::ObjectKind;

bool is_dataset(const File& file, const std::string& path) {
  return hdf5::object_at(file, path).kind == ObjectKind::dataset;
}

std::optional<double> number_attribute(const File& file, const std::string& object, const char* name) {
  const auto value = file.read_attribute(object, name);
  if (!value) return std::nullopt;
  if (const auto* integer = std::get_if<Index>(&*value)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&*value)) return *number;
  return std::nullopt;
}

std::string text_attribute(const File& file, const std::string& object, const char* name) {
  return file.read_string_attribute(object, name).value_or("");
}

/// The attributes of an object, asked for once: a walk through a file comes to many objects.
class AttributeNames {
 public:
  AttributeNames(const File& file, const std::string& object) : names_(file.attribute_names(object)) {}
  bool has(const char* name) const { return std::find(names_.begin(), names_.end(), name) != names_.end(); }

 private:
  std::vector<std::string> names_;
};

StoredMatrix& refuse(StoredMatrix& object, const File& file, const std::string& reason) {
  object.nature = Nature::other;
  object.refusal = fmt::format("{} {}", file.place(object.path), reason);
  return object;
}

// Dense

void recognise_matlab(const File& file, const AttributeNames& attributes, StoredMatrix& object) {
  const std::string type = text_attribute(file, object.path, "MATLAB_class");
  object.writer = Writer::matlab;
  object.columns_first = true;
  const bool of_numbers =
      type == "double" || type == "single" || type == "logical" || type.starts_with("int") || type.starts_with("uint");
  if (!of_numbers || attributes.has("MATLAB_object_decode"))
    refuse(object, file, fmt::format("is a MATLAB {}, not a matrix of numbers", type == "char" ? "char array" : type));
  else if (number_attribute(file, object.path, "MATLAB_empty").value_or(0) != 0)
    refuse(object, file, "is an empty MATLAB array");
}

// netCDF and its conventions: numbers that are not the values they stand for.

/// 1, or what the attribute says; a refusal where that is not one number.
double packing_number(const File& file, const char* name, double unpacked, StoredMatrix& object) {
  const std::optional<double> value = number_attribute(file, object.path, name);
  if (!value)
    object.refusal = fmt::format("{} has an attribute {} that is not one number", file.place(object.path), name);
  return value.value_or(unpacked);
}

void recognise_packing(const File& file, const AttributeNames& attributes, StoredMatrix& object) {
  double factor = 1;
  double offset = 0;
  if (attributes.has("scale_factor")) factor = packing_number(file, "scale_factor", factor, object);
  if (attributes.has("add_offset")) offset = packing_number(file, "add_offset", offset, object);
  if (factor != 1 || offset != 0)
    object.refusal = fmt::format(
        "{} is packed: its values are {} * stored + {} (scale_factor, add_offset), which is not applied here; unpack "
        "it first, "
        "for example with: ncpdq -U IN.nc OUT.nc",
        file.place(object.path), factor, offset);
}

void recognise_unsigned(const File& file, const AttributeNames& attributes, const Dataset& dataset,
                        StoredMatrix& object) {
  if (!attributes.has("_Unsigned") || dataset.type().kind != hdf5::ElementClass::integer) return;
  const std::string says = text_attribute(file, object.path, "_Unsigned");
  if ((says == "true") == dataset.type().is_signed)
    object.refusal =
        fmt::format("{} holds {} that are meant as {} numbers (_Unsigned = {}); write them with their own type",
                    file.place(object.path), dataset.type().name, says == "true" ? "unsigned" : "signed", says);
}

/// Numbers of an attribute, or of its text.
std::vector<double> numbers_of(const File& file, const std::string& object, const char* attribute) {
  if (const auto numbers = hdf5::numbers_of_attribute(file, object, attribute)) return *numbers;
  const std::optional<double> number = parse_double(text_attribute(file, object, attribute));
  return number ? std::vector<double>{*number} : std::vector<double>{};
}

/// Besides what attributes say, what netCDF fills elements with that were never written: of types of one byte nothing.
void recognise_missing(const File& file, const AttributeNames& attributes, const Dataset& dataset,
                       StoredMatrix& object) {
  const auto numbers = [&](const char* name) {
    return attributes.has(name) ? numbers_of(file, object.path, name) : std::vector<double>{};
  };
  std::vector<double> values = numbers("_FillValue");
  const std::vector<double> others = numbers("missing_value");
  values.insert(values.end(), others.begin(), others.end());
  const std::optional<double> fill = hdf5::chosen_fill_value(dataset);
  if (fill && dataset.type().bytes > 1 &&
      (attributes.has("_Netcdf4Dimid") || attributes.has("_Netcdf4Coordinates") ||
       file.has_attribute("/", "_NCProperties")))
    values.push_back(*fill);
  const auto finite = [&](double stated, double& value) {
    value = hdf5::in_type_of(dataset, stated);
    return std::isfinite(value);
  };
  double mark = 0;
  for (const double value : values)
    if (finite(value, mark)) mark_value(object.missing, mark);
  const std::vector<double> range = numbers("valid_range");
  for (const double least : range.empty() ? numbers("valid_min") : std::vector<double>{range.front()})
    if (finite(least, mark)) mark_below(object.missing, mark);
  for (const double most : range.empty() ? numbers("valid_max") : std::vector<double>{range.back()})
    if (finite(most, mark)) mark_above(object.missing, mark);
}

/// Genes × cells, beside attributes of rows and columns.
bool is_loom(const File& file, const std::string& path) {
  if (path != "/matrix" && !path.starts_with("/layers/")) return false;
  return is_dataset(file, "/matrix") && hdf5::object_at(file, "/row_attrs").kind == ObjectKind::group &&
         hdf5::object_at(file, "/col_attrs").kind == ObjectKind::group;
}

StoredMatrix recognise_dataset(const File& file, const std::string& path) {
  StoredMatrix object{.path = path, .dataset = path};
  const AttributeNames attributes(file, path);
  if (text_attribute(file, path, "encoding-type") == "null")
    return refuse(object, file, "is empty (anndata's null): the file was written without it");
  if (attributes.has("MATLAB_class")) recognise_matlab(file, attributes, object);
  if (object.nature == Nature::other) return object;
  const Dataset dataset = file.dataset(path);
  const bool is_scale = attributes.has("CLASS") && text_attribute(file, path, "CLASS") == "DIMENSION_SCALE";
  if (dataset.dimensions().size() != 2 || !dataset.type().is_number() || is_scale) {
    object.nature = Nature::other;
    return object;
  }
  object.nature = Nature::matrix;
  object.shape = {dataset.dimensions()[0], dataset.dimensions()[1]};
  if (is_loom(file, path)) {
    object.writer = Writer::loom;
    object.columns_first = true;
  }
  if (attributes.has("rhdf5-NA.OK")) object.writer = Writer::rhdf5;
  recognise_packing(file, attributes, object);
  recognise_unsigned(file, attributes, dataset, object);
  recognise_missing(file, attributes, dataset, object);
  return object;
}

// Sparse

/// Length of a list; −1 when it is none. Octave's are n × 1.
Index length_of(const File& file, const std::string& path) {
  if (!is_dataset(file, path)) return -1;
  const std::vector<Index> lengths = file.dataset(path).dimensions();
  return lengths.size() == 1 || (lengths.size() == 2 && lengths[1] == 1) ? lengths[0] : -1;
}

Shape two_sizes(const File& file, const std::string& group, const std::optional<std::vector<Index>>& sizes) {
  if (!sizes) throw Error(fmt::format("{} has no attribute shape (two integers: rows, columns)", file.place(group)));
  if (sizes->size() != 2 || (*sizes)[0] < 0 || (*sizes)[1] < 0)
    throw Error(fmt::format("shape of {} is ({}), not two sizes", file.place(group), fmt::join(*sizes, ", ")));
  return {(*sizes)[0], (*sizes)[1]};
}

SparseParts parts_in(const std::string& group, const char* indices = "indices", const char* indptr = "indptr") {
  return {inside(group, "data"), inside(group, indices), inside(group, indptr)};
}

void recognise_anndata(const File& file, const std::string& encoding, StoredMatrix& object) {
  object.nature = Nature::matrix;
  object.writer = Writer::anndata;
  object.format = encoding.starts_with("csr") ? FileFormat::csr : FileFormat::csc;
  object.parts = parts_in(object.path);
  const char* const name = file.has_attribute(object.path, "h5sparse_shape") ? "h5sparse_shape" : "shape";
  object.shape = two_sizes(file, object.path, file.read_integers_attribute(object.path, name));
}

/// rows, columns as MATLAB or Octave sees them, compressed by columns: as stored, the transpose compressed by rows.
void as_columns_first(StoredMatrix& object, Shape seen, SparseParts parts) {
  object.nature = Nature::matrix;
  object.columns_first = true;
  object.format = FileFormat::csr;
  object.shape = {seen.columns, seen.rows};
  object.parts = std::move(parts);
}

void recognise_matlab_sparse(const File& file, StoredMatrix& object) {
  object.writer = Writer::matlab;
  const auto rows = static_cast<Index>(number_attribute(file, object.path, "MATLAB_sparse").value_or(-1));
  const Index columns = length_of(file, inside(object.path, "jc")) - 1;
  if (rows < 0 || columns < 0)
    throw Error(
        fmt::format("{} is no sparse matrix of MATLAB: rows {}, columns {}", file.place(object.path), rows, columns));
  if (!is_dataset(file, inside(object.path, "data"))) {
    refuse(object, file, "is a sparse matrix of MATLAB without any non-zero element");
    return;
  }
  as_columns_first(object, {rows, columns}, parts_in(object.path, "ir", "jc"));
}

Index scalar_of(const File& file, const std::string& path) {
  if (!is_dataset(file, path) || file.dataset(path).row_elements() * file.dataset(path).rows() != 1)
    throw Error(fmt::format("{} is not one number", file.place(path)));
  return file.dataset(path).read_all<Index>().front();
}

/// Groups of `save -hdf5`: a type and a value.
void recognise_octave(const File& file, StoredMatrix& object) {
  object.writer = Writer::octave;
  const std::string type =
      is_dataset(file, inside(object.path, "type")) ? hdf5::read_text(file, inside(object.path, "type")) : "";
  const std::string value = inside(object.path, "value");
  if (type == "cell" || type == "struct" || type == "scalar struct") return;
  if (type == "sparse matrix" || type == "sparse bool matrix") {
    const Shape seen = {scalar_of(file, inside(value, "nr")), scalar_of(file, inside(value, "nc"))};
    as_columns_first(object, seen, parts_in(value, "ridx", "cidx"));
    return;
  }
  if (type.ends_with("complex matrix") || type.starts_with("diagonal") || type.starts_with("permutation") ||
      !type.ends_with("matrix") || !is_dataset(file, value)) {
    const char* const advice =
        type.find("matrix") != std::string::npos || type == "range" ? "; save full(real(…)) of it" : "";
    refuse(object, file, fmt::format("is of Octave's type '{}', not a matrix of real numbers{}", type, advice));
    return;
  }
  if (file.has_attribute(value, "OCTAVE_EMPTY_MATRIX")) {
    refuse(object, file, "is an empty matrix of Octave");
    return;
  }
  object.nature = Nature::matrix;
  object.columns_first = true;
  object.dataset = value;
}

/// Compressed by cells, features × cells as stated: cells × features as stored, compressed by rows.
void recognise_cells(const File& file, Writer writer, Shape stated, StoredMatrix& object) {
  object.nature = Nature::matrix;
  object.writer = writer;
  object.format = FileFormat::csr;
  object.parts = parts_in(object.path);
  object.shape = {stated.columns, stated.rows};
  const Index bounds = length_of(file, object.parts.indptr);
  const bool marked = writer == Writer::seurat || is_dataset(file, inside(object.path, "barcodes")) ||
                      file.has_attribute(object.parts.values, "rhdf5-NA.OK");
  if (marked) return;
  if (stated.rows != stated.columns && bounds == stated.rows + 1) {  // scipy's arrays of CSR with its shape
    object.writer = Writer::plain;
    object.shape = stated;
    return;
  }
  object.must_be_told = true;
}

/// The one block of a frame of fixed format. Its attribute says whether it lies by rows or by items, the columns of the
/// frame; without the attribute, which pandas always writes, the lengths do.
void recognise_frame(const File& file, const std::string& values, StoredMatrix& object) {
  const Index items = length_of(file, inside(object.path, "block0_items"));
  const std::vector<Index> lengths = file.dataset(values).dimensions();
  object.nature = Nature::matrix;
  object.dataset = values;
  if (lengths.size() != 2) return;  // refused when it is described
  object.columns_first = lengths[0] == items && lengths[1] != items;
  if (const auto stated = file.read_attribute(values, "transposed")) {
    const auto* const flag = std::get_if<bool>(&*stated);
    const auto* const number = std::get_if<Index>(&*stated);
    object.columns_first = flag != nullptr ? !*flag : number != nullptr && *number == 0;
  }
  if (items >= 0 && lengths[object.columns_first ? 0 : 1] != items)
    object.refusal =
        fmt::format("{} is {} x {} and stored by {} (its attribute transposed), but has {} columns", file.place(values),
                    lengths[0], lengths[1], object.columns_first ? "columns" : "rows", items);
}

void recognise_pandas(const File& file, StoredMatrix& object) {
  object.writer = Writer::pandas;
  const std::string type = text_attribute(file, object.path, "pandas_type");
  const std::string values = inside(object.path, "block0_values");
  const bool one_block =
      type == "frame" && number_attribute(file, object.path, "nblocks").value_or(0) == 1 && is_dataset(file, values);
  const std::string meaning = one_block ? text_attribute(file, values, "value_type") : "";  // of dates and times
  if (one_block && meaning.empty()) {
    recognise_frame(file, values, object);
    return;
  }
  const std::string what = type != "frame" ? fmt::format("in the form '{}'", type)
                           : one_block     ? fmt::format("of {}", meaning)
                                           : "with columns of several types";
  refuse(
      object, file,
      fmt::format(
          "is a pandas object {}; write the numbers as one frame: df.astype(float).to_hdf(FILE, key, format='fixed')",
          what));
}

/// Members of these are columns of a table, never matrices.
bool is_table(const std::string& encoding) {
  return encoding == "dataframe" || encoding == "categorical" || encoding.starts_with("nullable-") ||
         encoding == "rec-array";
}

StoredMatrix recognise_group(const File& file, const std::string& path) {
  StoredMatrix object{.path = path};
  const AttributeNames attributes(file, path);
  std::string encoding = attributes.has("encoding-type") ? text_attribute(file, path, "encoding-type") : "";
  if (attributes.has("h5sparse_format") && encoding.empty()) encoding = text_attribute(file, path, "h5sparse_format");
  const auto has_part = [&](const char* name) { return is_dataset(file, inside(path, name)); };
  if (encoding == "csr_matrix" || encoding == "csr" || encoding == "csc_matrix" || encoding == "csc") {
    recognise_anndata(file, encoding, object);
  } else if (attributes.has("MATLAB_sparse")) {
    recognise_matlab_sparse(file, object);
  } else if (attributes.has("OCTAVE_NEW_FORMAT")) {
    recognise_octave(file, object);
  } else if (attributes.has("pandas_type")) {
    recognise_pandas(file, object);
  } else if (is_table(encoding) || path.ends_with("/#refs#") || path.ends_with("/#subsystem#")) {
    object.nature = Nature::other;
  } else if (has_part("data") && has_part("indices") && has_part("indptr")) {
    if (attributes.has("dims")) {
      recognise_cells(file, Writer::seurat, two_sizes(file, path, file.read_integers_attribute(path, "dims")), object);
    } else if (has_part("shape")) {
      recognise_cells(file, Writer::tenx, two_sizes(file, path, file.dataset(inside(path, "shape")).read_all<Index>()),
                      object);
    } else {
      refuse(object, file,
             "has data, indices and indptr, but does not say what they are: it needs the attributes encoding-type "
             "(csr_matrix or "
             "csc_matrix) and shape");
    }
  }
  return object;
}

}  // namespace

std::string inside(const std::string& group, const std::string& member) {
  return group == "/" ? "/" + member : group + "/" + member;
}

std::string parent_of(const std::string& path) {
  if (path == "/") return "";
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

const char* name_of(Writer writer) {
  constexpr const char* names[] = {"",       "anndata", "10x Genomics", "Seurat", "MATLAB",
                                   "Octave", "loom",    "pandas",       "rhdf5"};
  return names[static_cast<int>(writer)];
}

StoredMatrix recognise(const hdf5::File& file, const std::string& path) {
  switch (hdf5::object_at(file, path).kind) {
    case ObjectKind::dataset:
      return recognise_dataset(file, path);
    case ObjectKind::group:
      return recognise_group(file, path);
    default:
      return {.path = path, .nature = Nature::other};
  }
}

}  // namespace scanmf::data
