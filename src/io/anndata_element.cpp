#include "io/anndata_element.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <type_traits>

#include "io/hdf5_internal.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::hdf5 {
namespace {

void mark(File& file, const std::string& path, const char* type, const char* version) {
  file.write_attribute(path, "encoding-type", std::string(type));
  file.write_attribute(path, "encoding-version", std::string(version));
}

void write_scalar(const File& file, const std::string& path, hid_t type, const void* value) {
  const std::string place = file.place(path);
  const SpaceHandle space(check(H5Screate(H5S_SCALAR), "create", place));
  const DatasetHandle dataset(check(
      H5Dcreate2(file.id(), path.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "create", place));
  check(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value), "write", place);
}

/// As h5py writes numpy.bool_.
void write_bool(const File& file, const std::string& path, bool value) {
  const TypeHandle type(check(H5Tenum_create(H5T_NATIVE_INT8), "create", file.place(path)));
  std::int8_t member = 0;
  H5Tenum_insert(type.get(), "FALSE", &member);
  member = 1;
  H5Tenum_insert(type.get(), "TRUE", &member);
  member = value ? 1 : 0;
  write_scalar(file, path, type.get(), &member);
}

}  // namespace

void make_anndata_dictionary(File& file, const std::string& path) {
  const Lock lock;
  if (file.is_group(path)) return;
  if (file.exists(path))
    throw Error(
        fmt::format("{} is no group, as versions of anndata before 0.7 wrote it: read the file with anndata "
                    "and write it again",
                    file.place(path)));
  file.create_group(path);
  mark(file, path, "dict", "0.1.0");
}

void write_anndata_scalar(File& file, const std::string& path, const AttributeValue& value) {
  const Lock lock;
  if (const auto* text = std::get_if<std::string>(&value)) {
    const char* const characters = text->c_str();
    write_scalar(file, path, string_type(0).get(), &characters);
    return mark(file, path, "string", "0.2.0");
  }
  if (const auto* boolean = std::get_if<bool>(&value)) write_bool(file, path, *boolean);
  if (const auto* integer = std::get_if<Index>(&value)) write_scalar(file, path, native_type<Index>(), integer);
  if (const auto* number = std::get_if<double>(&value)) write_scalar(file, path, native_type<double>(), number);
  mark(file, path, "numeric-scalar", "0.2.0");
}

void mark_anndata_array(File& file, const std::string& path) { mark(file, path, "array", "0.2.0"); }

}  // namespace scanmf::hdf5
