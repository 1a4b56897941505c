#include "io/hdf5.hpp"
#include "io/posix_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <limits>
#include <system_error>

#include "core/checked.hpp"
#include "core/crash_note.hpp"
#include "io/hdf5_internal.hpp"
#include "io/lzf_filter.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::hdf5 {
namespace {

/// Our messages take the place of HDF5's own printing; h5py's fast filter is made known.
void prepare_library() {
  static const bool done = [] {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    register_lzf();
    return true;
  }();
  static_cast<void>(done);
}

PropertyHandle unlocked_access() {
  PropertyHandle properties(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_file_locking(properties.get(), 0, 1);
  return properties;
}

/// The reason why a file cannot be opened at all, as the system words it.
void check_readable(const std::string& name) {
  io::refuse_special_file(name);
  struct stat status {};
  const int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw Error(fmt::format("cannot open {}: {}", name, std::strerror(errno)));
  const bool known = ::fstat(descriptor, &status) == 0;
  ::close(descriptor);
  if (known && S_ISDIR(status.st_mode))
    throw Error(fmt::format("cannot open {}: it is a directory, not an HDF5 file", name));
  if (known && status.st_size == 0) throw Error(fmt::format("{} is not an HDF5 file: it is empty", name));
}

herr_t append_name(hid_t group, const char* name, const H5L_info_t*, void* names) {
  if (H5Oexists_by_name(group, name, H5P_DEFAULT) > 0)
    static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

H5O_type_t object_type(hid_t file, const std::string& path, const std::string& place) {
  const ObjectHandle object(H5Oopen(file, path.c_str(), H5P_DEFAULT));
  H5O_info_t info;
  check(object.get(), "open", place);
  check(H5Oget_info2(object.get(), &info, H5O_INFO_BASIC), "read the type of", place);
  return info.type;
}

PropertyHandle making_groups() {
  PropertyHandle properties(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(properties.get(), 1);
  return properties;
}

DatasetHandle new_dataset(const File& file, const std::string& path, const std::vector<Index>& dimensions, hid_t type) {
  const std::vector<hsize_t> lengths(dimensions.begin(), dimensions.end());
  const SpaceHandle space(
      check(H5Screate_simple(static_cast<int>(lengths.size()), lengths.data(), nullptr), "create", file.place(path)));
  const PropertyHandle links = making_groups();
  const PropertyHandle properties(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_layout(properties.get(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER);
  return DatasetHandle(
      check(H5Dcreate2(file.id(), path.c_str(), type, space.get(), links.get(), properties.get(), H5P_DEFAULT),
            "create", file.place(path)));
}

}  // namespace

std::recursive_mutex& Lock::mutex() {
  static std::recursive_mutex only;
  return only;
}

std::string last_reason() {
  std::string reason;
  const auto innermost = [](unsigned, const H5E_error2_t* error, void* text) -> herr_t {
    *static_cast<std::string*>(text) = error->desc == nullptr ? "" : error->desc;
    return 1;  // the first one is enough
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, &reason);
  std::replace(reason.begin(), reason.end(), '\n', ' ');  // of the time that HDF5 adds
  return reason;
}

void fail(const std::string& action, const std::string& place) {
  const std::string reason = last_reason();
  throw Error(reason.empty() ? fmt::format("cannot {} {}", action, place)
                             : fmt::format("cannot {} {}: {}", action, place, reason));
}

void refuse_shortened(hid_t object, const std::string& place) {
  const FileHandle file(H5Iget_file_id(object));
  unsigned intent = 0;
  hsize_t opened = 0;
  void* descriptor = nullptr;
  struct stat now {};
  if (file.get() < 0 || H5Fget_intent(file.get(), &intent) < 0 || intent != H5F_ACC_RDONLY ||
      H5Fget_filesize(file.get(), &opened) < 0 || H5Fget_vfd_handle(file.get(), H5P_DEFAULT, &descriptor) < 0 ||
      ::fstat(*static_cast<const int*>(descriptor), &now) != 0)
    return;
  if (static_cast<hsize_t>(now.st_size) < opened)
    throw Error(
        fmt::format("{} has been truncated from {} to {} bytes while it was being read", place, opened, now.st_size));
}

File File::open(const std::string& name, Access access) {
  const Lock lock;
  const CrashNote note(name);
  prepare_library();
  check_readable(name);
  if (H5Fis_hdf5(name.c_str()) <= 0) throw Error(fmt::format("{} is not an HDF5 file", name));
  const PropertyHandle properties = unlocked_access();
  const unsigned flags = access == Access::read ? H5F_ACC_RDONLY : H5F_ACC_RDWR;
  FileHandle handle(H5Fopen(name.c_str(), flags, properties.get()));
  // One that HDF5 has opened by itself (the source of a virtual dataset) it opens again in the same way only.
  if (handle.get() < 0) handle = FileHandle(H5Fopen(name.c_str(), flags, H5P_DEFAULT));
  check(handle.get(), "open", name);
  return File(std::move(handle), name);
}

File File::create(const std::string& name) {
  const Lock lock;
  prepare_library();
  const PropertyHandle properties = unlocked_access();
  // Large datasets begin on a page, so that ranks on different nodes share few pages of a network file system.
  H5Pset_alignment(properties.get(), hsize_t{1} << 16, 4096);
  FileHandle handle(H5Fcreate(name.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, properties.get()));
  check(handle.get(), "create", name);
  return File(std::move(handle), name);
}

bool File::exists(const std::string& path) const {
  const Lock lock;
  const CrashNote note(place(path));
  // H5Lexists wants every link on the way to exist.
  for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1))
    if (path[end - 1] != '/' && H5Lexists(id(), path.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
  if (path == "/") return true;
  return H5Lexists(id(), path.c_str(), H5P_DEFAULT) > 0 && H5Oexists_by_name(id(), path.c_str(), H5P_DEFAULT) > 0;
}

bool File::is_group(const std::string& path) const {
  const Lock lock;
  const CrashNote note(place(path));
  return exists(path) && object_type(id(), path, place(path)) == H5O_TYPE_GROUP;
}

bool File::is_dataset(const std::string& path) const {
  const Lock lock;
  const CrashNote note(place(path));
  return exists(path) && object_type(id(), path, place(path)) == H5O_TYPE_DATASET;
}

std::vector<std::string> File::members(const std::string& group) const {
  const Lock lock;
  const CrashNote note(place(group));
  const GroupHandle handle(check(H5Gopen2(id(), group.c_str(), H5P_DEFAULT), "open group", place(group)));
  std::vector<std::string> names;
  check(H5Literate(handle.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, append_name, &names), "list", place(group));
  return names;
}

void File::create_group(const std::string& path) {
  const Lock lock;
  if (is_group(path)) return;
  const PropertyHandle links = making_groups();
  const GroupHandle group(
      check(H5Gcreate2(id(), path.c_str(), links.get(), H5P_DEFAULT, H5P_DEFAULT), "create group", place(path)));
}

template <class T>
Dataset File::create_dataset(const std::string& path, const std::vector<Index>& dimensions) {
  const Lock lock;
  return {new_dataset(*this, path, dimensions, native_type<T>()), name_, path};
}

Dataset File::create_text_dataset(const std::string& path, Index count, Index bytes) {
  const Lock lock;
  return {new_dataset(*this, path, {count}, string_type(bytes).get()), name_, path};
}

Dataset create_flag_dataset(File& file, const std::string& path, const std::vector<Index>& dimensions) {
  const Lock lock;
  return {new_dataset(file, path, dimensions, boolean_type().get()), file.name(), path};
}

template <class T>
void File::write_vector(const std::string& path, std::span<const T> values) {
  const Lock lock;
  const Dataset written = create_dataset<T>(path, {static_cast<Index>(values.size())});
  written.write_rows(Range{0, static_cast<Index>(values.size())}, values.data());
}

Index Dataset::stored_bytes() const {
  const Lock lock;
  return static_cast<Index>(std::min<hsize_t>(H5Dget_storage_size(id()), std::numeric_limits<Index>::max()));
}

void Dataset::check_stored() const {
  const Lock lock;
  constexpr Index deflate_limit = 1032;  // deflate's best: bytes for one byte
  std::optional<Index> stated = type_.bytes;
  for (const Index length : dimensions_) stated = stated ? checked_product({*stated, length}) : stated;
  std::vector<char> name(PATH_MAX + 1, '\0');  // of the file that holds it: a link may lead into another one
  H5Fget_name(id(), name.data(), name.size());
  std::error_code unknown;
  const auto file_bytes = static_cast<Index>(std::filesystem::file_size(name.data(), unknown));
  const Index stored = stored_bytes();
  const bool fits = !unknown && stored <= file_bytes && file_offset().value_or(0) <= file_bytes - stored;
  if (fits && stated && (chunk_.empty() ? *stated <= stored : *stated / deflate_limit <= stored)) return;
  throw Error(
      fmt::format("{}: {} of {} are stated, but the file holds {} bytes of them: it is truncated, was not written to "
                  "its end, or is damaged",
                  place(), fmt::join(dimensions_, " x "), type_.name, stored));
}

void File::close() {
  const Lock lock;
  check(H5Fflush(id(), H5F_SCOPE_LOCAL), "write", name_);
  if (!handle_.reset()) fail("close", name_);
}

template Dataset File::create_dataset<float>(const std::string&, const std::vector<Index>&);
template Dataset File::create_dataset<double>(const std::string&, const std::vector<Index>&);
template Dataset File::create_dataset<Index>(const std::string&, const std::vector<Index>&);
template Dataset File::create_dataset<std::int32_t>(const std::string&, const std::vector<Index>&);
template Dataset File::create_dataset<unsigned char>(const std::string&, const std::vector<Index>&);
template void File::write_vector(const std::string&, std::span<const float>);
template void File::write_vector(const std::string&, std::span<const double>);
template void File::write_vector(const std::string&, std::span<const Index>);
template void File::write_vector(const std::string&, std::span<const std::int32_t>);
template void File::write_vector(const std::string&, std::span<const unsigned char>);

}  // namespace scanmf::hdf5
