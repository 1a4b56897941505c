#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/crash_note.hpp"
#include "io/hdf5.hpp"
#include "io/hdf5_internal.hpp"
#include "io/heap_strings.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::hdf5 {
namespace {

constexpr Index piece_bytes = Index{16} << 20;  // of strings of fixed length at a time

/// Calls read(memory space, file space, count) for the elements of a 1-D dataset, piece by piece.
template <class Read>
void in_pieces(const Dataset& dataset, Index element_bytes, Read&& read) {
  const Index step = std::max<Index>(1, piece_bytes / std::max<Index>(1, element_bytes));
  for (Index begin = 0; begin < dataset.rows(); begin += step) {
    const auto start = static_cast<hsize_t>(begin);
    const auto count = static_cast<hsize_t>(std::min(step, dataset.rows() - begin));
    const SpaceHandle memory(H5Screate_simple(1, &count, nullptr));
    const SpaceHandle file(check(H5Dget_space(dataset.id()), "read the shape of", dataset.place()));
    check(H5Sselect_hyperslab(file.get(), H5S_SELECT_SET, &start, nullptr, &count, nullptr), "select elements of",
          dataset.place());
    read(memory.get(), file.get(), static_cast<std::size_t>(count));
  }
}

/// Strings of variable length through the library.
std::vector<std::string> read_variable(const Dataset& dataset, hid_t memory_type) {
  std::vector<std::string> strings;
  std::vector<char*> pointers;
  in_pieces(dataset, sizeof(char*), [&](hid_t memory, hid_t file, std::size_t count) {
    pointers.assign(count, nullptr);
    check(H5Dread(dataset.id(), memory_type, memory, file, H5P_DEFAULT, pointers.data()), "read", dataset.place());
    for (const char* pointer : pointers) strings.emplace_back(pointer == nullptr ? "" : pointer);
    H5Dvlen_reclaim(memory_type, memory, H5P_DEFAULT, pointers.data());
  });
  return strings;
}

/// Strings of `length` bytes each, cut at their padding.
std::vector<std::string> read_fixed(const Dataset& dataset, hid_t memory_type, Index length, H5T_str_t padding) {
  std::vector<std::string> strings;
  std::vector<char> characters;
  in_pieces(dataset, length, [&](hid_t memory, hid_t file, std::size_t count) {
    characters.assign(count * static_cast<std::size_t>(length), '\0');
    check(H5Dread(dataset.id(), memory_type, memory, file, H5P_DEFAULT, characters.data()), "read", dataset.place());
    for (std::size_t i = 0; i < count; ++i)
      strings.push_back(without_padding(characters.data() + i * static_cast<std::size_t>(length), length, padding));
  });
  return strings;
}

/// Reads the strings of a 1-D dataset whose elements are of `file_type`, or hold a member of it.
/// wrap(string type) gives the type in memory: the string itself or a compound of that one member.
template <class Wrap>
std::vector<std::string> read_strings_as(const Dataset& dataset, hid_t file_type, Wrap&& wrap) {
  const TypeHandle text(check(H5Tcopy(file_type), "read the type of", dataset.place()));
  const TypeHandle memory = wrap(text.get());
  check(memory.get(), "read the type of", dataset.place());
  if (H5Tis_variable_str(file_type) > 0) return read_variable(dataset, memory.get());
  const auto length = static_cast<Index>(H5Tget_size(file_type));
  if (length < 1 || length != static_cast<Index>(H5Tget_size(memory.get())))
    throw Error(fmt::format("{}: its strings have no length", dataset.place()));
  return read_fixed(dataset, memory.get(), length, H5Tget_strpad(file_type));
}

/// A list whose elements are all in the file.
void check_list(const Dataset& dataset) {
  if (dataset.dimensions().size() != 1) throw Error(fmt::format("{} is not a list of strings", dataset.place()));
  dataset.check_stored();
}

}  // namespace

TypeHandle string_type(Index length) {
  TypeHandle type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), length == 0 ? H5T_VARIABLE : static_cast<std::size_t>(length));
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  if (length > 0) H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  return type;
}

std::string without_padding(const char* text, Index length, H5T_str_t padding) {
  if (padding != H5T_STR_SPACEPAD) return {text, strnlen(text, static_cast<std::size_t>(length))};
  while (length > 0 && text[length - 1] == ' ') --length;
  return {text, static_cast<std::size_t>(length)};
}

std::vector<std::string> File::read_strings(const std::string& path) const {
  const Lock lock;
  const CrashNote note(place(path));
  const Dataset strings = dataset(path);
  check_list(strings);
  if (strings.type().kind != ElementClass::string)
    throw Error(fmt::format("{} holds {}, not strings", strings.place(), strings.type().name));
  if (strings.type().variable_length)
    if (std::optional<std::vector<std::string>> texts = read_heap_strings(*this, strings)) return std::move(*texts);
  const TypeHandle type(check(H5Dget_type(strings.id()), "read the type of", strings.place()));
  return read_strings_as(strings, type.get(), [](hid_t text) { return TypeHandle(H5Tcopy(text)); });
}

std::vector<std::string> File::read_strings_member(const std::string& path, const std::string& member) const {
  const Lock lock;
  const CrashNote note(place(path));
  const Dataset table = dataset(path);
  check_list(table);
  const TypeHandle type(check(H5Dget_type(table.id()), "read the type of", table.place()));
  const int number = table.type().kind == ElementClass::compound ? H5Tget_member_index(type.get(), member.c_str()) : -1;
  if (number < 0) throw Error(fmt::format("{} has no member {}", table.place(), member));
  const TypeHandle member_type(H5Tget_member_type(type.get(), static_cast<unsigned>(number)));
  if (H5Tget_class(member_type.get()) != H5T_STRING)
    throw Error(fmt::format("member {} of {} is not a string", member, table.place()));
  return read_strings_as(table, member_type.get(), [&](hid_t text) {
    TypeHandle compound(H5Tcreate(H5T_COMPOUND, H5Tget_size(text)));
    H5Tinsert(compound.get(), member.c_str(), 0, text);
    return compound;
  });
}

void File::write_strings(const std::string& path, const std::vector<std::string>& values, StringStorage storage) {
  const Lock lock;
  std::size_t longest = 1;
  for (const std::string& value : values) longest = std::max(longest, value.size());
  const TypeHandle type = string_type(storage == StringStorage::variable ? 0 : static_cast<Index>(longest));
  const hsize_t count = values.size();
  const SpaceHandle space(H5Screate_simple(1, &count, nullptr));
  const PropertyHandle links(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(links.get(), 1);
  const DatasetHandle dataset(
      check(H5Dcreate2(id(), path.c_str(), type.get(), space.get(), links.get(), H5P_DEFAULT, H5P_DEFAULT), "create",
            place(path)));
  if (values.empty()) return;
  if (storage == StringStorage::variable) {
    std::vector<const char*> pointers;
    for (const std::string& value : values) pointers.push_back(value.c_str());
    check(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()), "write", place(path));
    return;
  }
  std::vector<char> characters(values.size() * longest, '\0');
  for (std::size_t i = 0; i < values.size(); ++i)
    std::copy(values[i].begin(), values[i].end(), characters.begin() + static_cast<std::ptrdiff_t>(i * longest));
  check(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, characters.data()), "write", place(path));
}

}  // namespace scanmf::hdf5
