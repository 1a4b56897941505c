#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/crash_note.hpp"
#include "io/hdf5.hpp"
#include "io/hdf5_internal.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::hdf5 {
namespace {

std::string place_of(const File& file, const std::string& object, const std::string& attribute) {
  return fmt::format("attribute {} of {}", attribute, file.place(object));
}

/// Its object stays open with it: behind an external link that keeps the other file open, whose heap has the text.
struct OpenAttribute {
  ObjectHandle object;
  AttributeHandle handle;
};

/// An invalid handle when there is no such attribute.
OpenAttribute open_attribute(const File& file, const std::string& object, const std::string& attribute) {
  if (!file.has_attribute(object, attribute)) return {};
  const std::string place = place_of(file, object, attribute);
  OpenAttribute open;
  open.object = ObjectHandle(check(H5Oopen(file.id(), object.c_str(), H5P_DEFAULT), "open", place));
  open.handle = AttributeHandle(check(H5Aopen(open.object.get(), attribute.c_str(), H5P_DEFAULT), "open", place));
  return open;
}

constexpr Index most_elements = 65536;        // of an attribute: lists of columns are the longest that are in use
constexpr Index most_bytes = Index{1} << 20;  // of one element

/// Elements of an attribute, 0 for an empty one (H5S_NULL). Throws Error when there are more, or larger ones, than an
/// attribute has.
Index element_count(const AttributeHandle& attribute, const std::string& place) {
  const SpaceHandle space(check(H5Aget_space(attribute.get()), "read the shape of", place));
  const TypeHandle type(check(H5Aget_type(attribute.get()), "read the type of", place));
  const auto count = static_cast<Index>(check(H5Sget_simple_extent_npoints(space.get()), "read the shape of", place));
  const auto bytes =
      static_cast<Index>(std::min<std::size_t>(H5Tget_size(type.get()), std::numeric_limits<Index>::max()));
  if (count <= most_elements && bytes <= most_bytes) return count;
  throw Error(fmt::format("{} says that it has {} elements of {} bytes: no attribute does, the file is damaged", place,
                          count, bytes));
}

template <class T>
std::vector<T> read_numbers(const AttributeHandle& attribute, const std::string& place) {
  std::vector<T> values(static_cast<std::size_t>(element_count(attribute, place)));
  if (!values.empty()) check(H5Aread(attribute.get(), native_type<T>(), values.data()), "read", place);
  return values;
}

/// nullopt when there is no such attribute, or it does not hold numbers.
template <class T>
std::optional<std::vector<T>> read_list(const File& file, const std::string& object, const std::string& attribute) {
  const Lock lock;
  const std::string place = place_of(file, object, attribute);
  const CrashNote note(place, CrashNote::Of::attribute);
  const OpenAttribute open = open_attribute(file, object, attribute);
  if (open.handle.get() < 0) return std::nullopt;
  const TypeHandle type(H5Aget_type(open.handle.get()));
  if (!describe_type(type.get()).is_number()) return std::nullopt;
  return read_numbers<T>(open.handle, place);
}

/// The text of an attribute of one element.
std::string read_text(const AttributeHandle& attribute, const std::string& place) {
  const TypeHandle type(check(H5Aget_type(attribute.get()), "read the type of", place));
  if (H5Tis_variable_str(type.get()) > 0) {
    char* text = nullptr;
    check(H5Aread(attribute.get(), type.get(), &text), "read", place);
    const std::string copy = text == nullptr ? "" : text;
    H5free_memory(text);
    return copy;
  }
  std::string text(H5Tget_size(type.get()), '\0');
  check(H5Aread(attribute.get(), type.get(), text.data()), "read", place);
  return without_padding(text.data(), static_cast<Index>(text.size()), H5Tget_strpad(type.get()));
}

herr_t append_attribute_name(hid_t, const char* name, const H5A_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

void write_new(const File& file, const std::string& object, const std::string& attribute, hid_t type,
               const SpaceHandle& space, const void* value) {
  const std::string place = place_of(file, object, attribute);
  if (file.has_attribute(object, attribute))
    check(H5Adelete_by_name(file.id(), object.c_str(), attribute.c_str(), H5P_DEFAULT), "replace", place);
  const AttributeHandle handle(check(H5Acreate_by_name(file.id(), object.c_str(), attribute.c_str(), type, space.get(),
                                                       H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                     "create", place));
  check(H5Awrite(handle.get(), type, value), "write", place);
}

}  // namespace

TypeHandle boolean_type() {
  TypeHandle type(H5Tenum_create(H5T_NATIVE_INT8));
  std::int8_t value = 0;
  H5Tenum_insert(type.get(), "FALSE", &value);
  value = 1;
  H5Tenum_insert(type.get(), "TRUE", &value);
  return type;
}

bool File::has_attribute(const std::string& object, const std::string& attribute) const {
  const Lock lock;
  const CrashNote note(place_of(*this, object, attribute), CrashNote::Of::attribute);
  if (!exists(object)) return false;
  return check(H5Aexists_by_name(id(), object.c_str(), attribute.c_str(), H5P_DEFAULT), "list the attributes of",
               place(object)) > 0;
}

std::vector<std::string> File::attribute_names(const std::string& object) const {
  const Lock lock;
  const CrashNote note(place(object), CrashNote::Of::attribute);
  // Looking for what is not there decodes every attribute, as listing them does, and survives one that cannot be
  // decoded; listing does not.
  constexpr const char* nobody = "\x01";
  check(H5Aexists_by_name(id(), object.c_str(), nobody, H5P_DEFAULT), "list the attributes of", place(object));
  std::vector<std::string> names;
  check(H5Aiterate_by_name(id(), object.c_str(), H5_INDEX_NAME, H5_ITER_INC, nullptr, append_attribute_name, &names,
                           H5P_DEFAULT),
        "list the attributes of", place(object));
  return names;
}

std::optional<AttributeValue> File::read_attribute(const std::string& object, const std::string& attribute) const {
  const Lock lock;
  const std::string place = place_of(*this, object, attribute);
  const CrashNote note(place, CrashNote::Of::attribute);
  const OpenAttribute open = open_attribute(*this, object, attribute);
  const AttributeHandle& handle = open.handle;
  if (handle.get() < 0 || element_count(handle, place) != 1) return std::nullopt;
  const TypeHandle type(H5Aget_type(handle.get()));
  switch (describe_type(type.get()).kind) {
    case ElementClass::boolean:
      return read_numbers<Index>(handle, place).front() != 0;
    case ElementClass::integer:
      return read_numbers<Index>(handle, place).front();
    case ElementClass::floating:
      return read_numbers<double>(handle, place).front();
    case ElementClass::string:
      return read_text(handle, place);
    default:
      break;
  }
  if (H5Tget_class(type.get()) != H5T_BITFIELD || H5Tget_size(type.get()) != 1) return std::nullopt;
  std::uint8_t flag = 0;  // a truth value as PyTables writes it
  check(H5Aread(handle.get(), type.get(), &flag), "read", place);
  return flag != 0;
}

std::optional<std::string> File::read_string_attribute(const std::string& object, const std::string& attribute) const {
  const Lock lock;
  const std::optional<AttributeValue> value = read_attribute(object, attribute);
  if (!value || !std::holds_alternative<std::string>(*value)) return std::nullopt;
  return std::get<std::string>(*value);
}

std::optional<std::vector<Index>> File::read_integers_attribute(const std::string& object,
                                                                const std::string& attribute) const {
  return read_list<Index>(*this, object, attribute);
}

std::optional<std::vector<double>> numbers_of_attribute(const File& file, const std::string& object,
                                                        const std::string& attribute) {
  return read_list<double>(file, object, attribute);
}

void File::write_attribute(const std::string& object, const std::string& attribute, const AttributeValue& value,
                           StringStorage storage) {
  const Lock lock;
  const SpaceHandle scalar(H5Screate(H5S_SCALAR));
  if (const auto* flag = std::get_if<bool>(&value)) {
    const std::int8_t byte = *flag ? 1 : 0;
    write_new(*this, object, attribute, boolean_type().get(), scalar, &byte);
  } else if (const auto* integer = std::get_if<Index>(&value)) {
    write_new(*this, object, attribute, H5T_NATIVE_INT64, scalar, integer);
  } else if (const auto* number = std::get_if<double>(&value)) {
    write_new(*this, object, attribute, H5T_NATIVE_DOUBLE, scalar, number);
  } else {
    const auto& text = std::get<std::string>(value);
    const char* pointer = text.c_str();
    const bool variable = storage == StringStorage::variable;
    const TypeHandle type = string_type(variable ? 0 : std::max<Index>(1, static_cast<Index>(text.size())));
    write_new(*this, object, attribute, type.get(), scalar, variable ? static_cast<const void*>(&pointer) : pointer);
  }
}

void File::write_integers_attribute(const std::string& object, const std::string& attribute,
                                    std::span<const Index> values) {
  const Lock lock;
  const hsize_t count = values.size();
  const SpaceHandle space(H5Screate_simple(1, &count, nullptr));
  const Index nothing = 0;  // HDF5 wants an address even when there is nothing to write
  write_new(*this, object, attribute, H5T_NATIVE_INT64, space, values.empty() ? &nothing : values.data());
}

}  // namespace scanmf::hdf5
