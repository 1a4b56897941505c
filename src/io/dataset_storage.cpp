#include "io/dataset_storage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/checked.hpp"
#include "io/hdf5_internal.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::hdf5 {
namespace {

namespace fs = std::filesystem;

constexpr Index small_bytes = Index{64} << 20;  // a matrix of zeros that nobody wrote may be meant
constexpr int deepest_source = 8;               // a virtual dataset of virtual datasets, …

struct RawFile {
  std::string name;
  Index offset = 0;
  Index bytes = 0;
};

/// A part of a virtual dataset.
struct Source {
  std::string file;  // as it was found, else as it is written
  std::string path;
};

PropertyHandle properties_of(const Dataset& dataset) {
  return PropertyHandle(check(H5Dget_create_plist(dataset.id()), "read the layout of", dataset.place()));
}

bool exists(const std::string& name) {
  std::error_code error;
  return fs::exists(name, error);
}

Index size_of_file(const std::string& name) {
  std::error_code error;
  const auto bytes = fs::file_size(name, error);
  return error ? -1 : static_cast<Index>(bytes);
}

/// Bytes of all elements; what cannot be counted has not been opened as a Dataset.
Index declared_bytes(const Dataset& dataset) { return dataset.rows() * dataset.row_elements() * dataset.type().bytes; }

/// One external raw file as it is named; bytes: -1 for as many as there are.
RawFile raw_file(const PropertyHandle& properties, int i, const std::string& place) {
  std::array<char, 4096> name{};
  off_t offset = 0;
  hsize_t bytes = 0;
  check(H5Pget_external(properties.get(), static_cast<unsigned>(i), name.size() - 1, name.data(), &offset, &bytes),
        "read the layout of", place);
  return {name.data(), static_cast<Index>(offset), bytes == H5F_UNLIMITED ? -1 : static_cast<Index>(bytes)};
}

/// External raw files, each with the bytes that it must have. HDF5 looks for relative names from where the program
/// runs, or from a prefix.
std::vector<RawFile> raw_files(const Dataset& dataset) {
  const PropertyHandle properties = properties_of(dataset);
  const char* const prefix = std::getenv("HDF5_EXTFILE_PREFIX");
  std::vector<RawFile> files;
  Index left = declared_bytes(dataset);
  for (int i = 0; i < H5Pget_external_count(properties.get()); ++i) {
    auto [file, offset, bytes] = raw_file(properties, i, dataset.place());
    const Index share = bytes < 0 || bytes > left ? left : bytes;
    if (prefix != nullptr && !fs::path(file).is_absolute()) {
      std::string folder = prefix;
      if (folder.starts_with("${ORIGIN}")) folder.replace(0, 9, fs::path(file_holding(dataset)).parent_path().string());
      file = (fs::path(folder) / file).string();
    }
    files.push_back({file, offset, share});
    left -= share;
  }
  return files;
}

std::string text_of(ssize_t (*get)(hid_t, std::size_t, char*, std::size_t), hid_t properties, std::size_t i) {
  const ssize_t length = get(properties, i, nullptr, 0);
  if (length <= 0) return {};
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  get(properties, i, text.data(), text.size());
  text.pop_back();
  return text;
}

/// Where HDF5 finds the file of a source: a prefix from the environment, beside the file that names it, where the
/// program runs.
std::string found_source(const std::string& name, const std::string& holder) {
  if (name == ".") return holder;
  const fs::path path(name);
  const char* const prefix = std::getenv("HDF5_VDS_PREFIX");
  const std::string beside = (fs::path(holder).parent_path() / (path.is_absolute() ? path.filename() : path)).string();
  if (path.is_absolute() && exists(name)) return name;
  if (prefix != nullptr && exists((fs::path(prefix) / path).string())) return (fs::path(prefix) / path).string();
  return exists(beside) ? beside : name;
}

std::vector<Source> sources_of(const Dataset& dataset) {
  const PropertyHandle properties = properties_of(dataset);
  const std::string holder = file_holding(dataset);
  std::size_t count = 0;
  check(H5Pget_virtual_count(properties.get(), &count), "read the layout of", dataset.place());
  std::vector<Source> sources;
  for (std::size_t i = 0; i < count; ++i)
    sources.push_back({found_source(text_of(H5Pget_virtual_filename, properties.get(), i), holder),
                       text_of(H5Pget_virtual_dsetname, properties.get(), i)});
  return sources;
}

bool is_virtual(const Dataset& dataset) { return H5Pget_layout(properties_of(dataset).get()) == H5D_VIRTUAL; }

/// Adds a regular selection to `all`, cut at the dataset's ends: one may be unlimited.
void add_selection(hid_t all, hid_t part, const std::vector<Index>& lengths) {
  std::array<hsize_t, H5S_MAX_RANK> start{}, stride{}, count{}, block{};
  H5Sget_regular_hyperslab(part, start.data(), stride.data(), count.data(), block.data());
  for (std::size_t d = 0; d < lengths.size(); ++d) {
    const hsize_t left = static_cast<hsize_t>(lengths[d]) - std::min(static_cast<hsize_t>(lengths[d]), start[d]);
    if (block[d] == H5S_UNLIMITED) block[d] = left;
    if (count[d] == H5S_UNLIMITED) count[d] = stride[d] == 0 ? 0 : (left + stride[d] - 1) / stride[d];
  }
  H5Sselect_hyperslab(all, H5S_SELECT_OR, start.data(), stride.data(), count.data(), block.data());
}

/// True when sources are mapped to all elements; false also for selections of a shape that cannot be followed.
bool mapped_everywhere(const Dataset& dataset) {
  const PropertyHandle properties = properties_of(dataset);
  std::vector<hsize_t> lengths(dataset.dimensions().begin(), dataset.dimensions().end());
  const SpaceHandle all(H5Screate_simple(static_cast<int>(lengths.size()), lengths.data(), nullptr));
  H5Sselect_none(all.get());
  std::size_t count = 0;
  H5Pget_virtual_count(properties.get(), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const SpaceHandle part(H5Pget_virtual_vspace(properties.get(), i));
    if (H5Sget_select_type(part.get()) == H5S_SEL_ALL) return true;
    if (H5Sget_select_type(part.get()) != H5S_SEL_HYPERSLABS || H5Sis_regular_hyperslab(part.get()) <= 0) return false;
    add_selection(all.get(), part.get(), dataset.dimensions());
  }
  const std::vector<hsize_t> begin(lengths.size(), 0);
  H5Sselect_hyperslab(all.get(), H5S_SELECT_AND, begin.data(), nullptr, lengths.data(), nullptr);
  return H5Sget_select_npoints(all.get()) == H5Sget_simple_extent_npoints(all.get());
}

/// Files of the elements of a virtual dataset, or of one with external raw files, as they are named.
std::vector<std::string> files_named_by(const File& file, const std::string& path) {
  if (object_at(file, path).kind != ObjectKind::dataset) return {};
  std::vector<std::string> names;
  const DatasetHandle dataset(check(H5Dopen2(file.id(), path.c_str(), H5P_DEFAULT), "open", file.place(path)));
  const PropertyHandle properties(check(H5Dget_create_plist(dataset.get()), "read the layout of", file.place(path)));
  std::size_t count = 0;
  if (H5Pget_layout(properties.get()) == H5D_VIRTUAL) H5Pget_virtual_count(properties.get(), &count);
  for (std::size_t i = 0; i < count; ++i) names.push_back(text_of(H5Pget_virtual_filename, properties.get(), i));
  for (int i = 0; i < H5Pget_external_count(properties.get()); ++i)
    names.push_back(raw_file(properties, i, file.place(path)).name);
  return names;
}

/// The extent of a virtual dataset ends at the last source; where one in between is missing, at the first that is: then
/// there are gaps.
bool has_gaps(const Dataset& dataset) {
  const PropertyHandle access(H5Pcreate(H5P_DATASET_ACCESS));
  H5Pset_virtual_view(access.get(), H5D_VDS_FIRST_MISSING);
  const SpaceHandle last(H5Dget_space(dataset.id()));
  const DatasetHandle opened(H5Dopen2(dataset.id(), ".", access.get()));
  if (opened.get() < 0) return false;
  const SpaceHandle first(H5Dget_space(opened.get()));
  return H5Sextent_equal(first.get(), last.get()) == 0;
}

std::optional<std::string> hindrance(const Dataset& dataset, int depth);

/// A source must be there, and be at least as large as what is taken from it.
std::optional<std::string> source_hindrance(const Dataset& dataset, const Source& source, std::size_t i, int depth) {
  const auto missing = [&](const std::string& what) {
    return fmt::format(
        "{} is a virtual dataset of other files, and {}: elements from there would be zeros; put it back",
        dataset.place(), what);
  };
  if (source.file.find('%') != std::string::npos || source.path.find('%') != std::string::npos)
    return std::nullopt;  // a series: has_gaps()
  if (!exists(source.file)) return missing(fmt::format("the file {} is missing", source.file));
  try {
    const File file = File::open(source.file);
    const Dataset opened = file.dataset(source.path);
    const PropertyHandle properties = properties_of(dataset);
    const SpaceHandle part(H5Pget_virtual_srcspace(properties.get(), i));
    if (H5Sget_select_type(part.get()) == H5S_SEL_ALL) {  // of everything, which has no length of its own
      const SpaceHandle target(H5Pget_virtual_vspace(properties.get(), i));
      const auto mapped = static_cast<hsize_t>(H5Sget_select_npoints(target.get()));
      if (mapped != H5S_UNLIMITED && mapped != static_cast<hsize_t>(opened.rows() * opened.row_elements()))
        return missing(fmt::format("{} is smaller or larger than it was", opened.place()));
      return hindrance(opened, depth + 1);
    }
    std::vector<hsize_t> begin(opened.dimensions().size() + 1), end(opened.dimensions().size() + 1);
    const bool bounded = H5Sget_simple_extent_ndims(part.get()) == static_cast<int>(opened.dimensions().size()) &&
                         H5Sget_select_bounds(part.get(), begin.data(), end.data()) >= 0;
    for (std::size_t d = 0; bounded && d < opened.dimensions().size(); ++d)
      if (end[d] != H5S_UNLIMITED && end[d] >= static_cast<hsize_t>(opened.dimensions()[d]))
        return missing(fmt::format("{} is smaller than it was", opened.place()));
    return hindrance(opened, depth + 1);
  } catch (const Error& error) {
    return missing(fmt::format("a part of it cannot be read ({})", error.what()));
  }
}

std::optional<std::string> virtual_hindrance(const Dataset& dataset, int depth) {
  if (depth > deepest_source)
    return fmt::format("{} is a virtual dataset of virtual datasets without end", dataset.place());
  const std::vector<Source> sources = sources_of(dataset);
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (auto reason = source_hindrance(dataset, sources[i], i, depth)) return reason;
  if (!mapped_everywhere(dataset) || has_gaps(dataset))
    return fmt::format(
        "{} is a virtual dataset with elements that no file is mapped to, which would be zeros; store it as a plain "
        "dataset",
        dataset.place());
  return std::nullopt;
}

std::optional<std::string> external_hindrance(const Dataset& dataset) {
  Index left = declared_bytes(dataset);
  for (const RawFile& file : raw_files(dataset)) {
    const Index size = size_of_file(file.name);
    const auto end = checked_sum({file.offset, file.bytes});
    if (size < 0)
      return fmt::format("{} has its elements in the file {}, which is missing; put it back", dataset.place(),
                         file.name);
    if (!end || size < *end)
      return fmt::format("{} has its elements in the file {}, which is cut short: {} bytes, where {} are needed",
                         dataset.place(), file.name, size, file.offset + file.bytes);
    left -= file.bytes;
  }
  if (left > 0)
    return fmt::format("{} has its elements in other files, which {} bytes of it belong to none of", dataset.place(),
                       left);
  return std::nullopt;
}

std::optional<std::string> hindrance(const Dataset& dataset, int depth) {
  for (const Filter& filter : dataset.filters())
    if (H5Zfilter_avail(filter.id) <= 0)
      return fmt::format(
          "{} is compressed with {}, which this HDF5 library cannot read; write it with gzip instead, or name the "
          "folder of the filter's plugin in "
          "HDF5_PLUGIN_PATH",
          dataset.place(), filter.name.empty() ? fmt::format("filter {}", filter.id) : filter.name);
  if (is_virtual(dataset)) return virtual_hindrance(dataset, depth);
  if (H5Pget_external_count(properties_of(dataset).get()) > 0) return external_hindrance(dataset);
  const std::optional<Index> offset = dataset.file_offset();
  if (!offset) return std::nullopt;
  const std::string holder = file_holding(dataset);
  const auto end = checked_sum({*offset, declared_bytes(dataset)});
  if (!end || size_of_file(holder) < *end)
    return fmt::format("{} declares {} bytes of elements, more than its file has: {} is {} bytes long", dataset.place(),
                       declared_bytes(dataset), holder, size_of_file(holder));
  return std::nullopt;
}

}  // namespace

std::string file_holding(const Dataset& dataset) {
  const Lock lock;
  const ssize_t length = check(H5Fget_name(dataset.id(), nullptr, 0), "find the file of", dataset.place());
  std::string name(static_cast<std::size_t>(length) + 1, '\0');
  H5Fget_name(dataset.id(), name.data(), name.size());
  name.pop_back();
  return name;
}

std::vector<std::string> files_of(const Dataset& dataset) {
  const Lock lock;
  std::vector<std::string> files = {file_holding(dataset)};
  if (is_virtual(dataset)) {
    for (const Source& source : sources_of(dataset))
      if (exists(source.file)) files.push_back(source.file);
  } else if (H5Pget_external_count(properties_of(dataset).get()) > 0) {
    for (const RawFile& file : raw_files(dataset)) files.push_back(file.name);
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

std::optional<std::string> relative_reference(const File& file) {
  const Lock lock;
  const auto is_relative = [](const std::string& name) { return name != "." && !fs::path(name).is_absolute(); };
  for (const std::string& path : all_links(file)) {
    std::vector<std::string> others = {external_target(file, path)};
    if (others.front().empty()) others = files_named_by(file, path);
    const auto found = std::ranges::find_if(others, is_relative);
    if (found != others.end()) return fmt::format("{}, which lies in {}", path, *found);
  }
  return std::nullopt;
}

std::optional<std::string> what_hinders_reading(const Dataset& dataset) {
  const Lock lock;
  return hindrance(dataset, 0);
}

std::optional<double> chosen_fill_value(const Dataset& dataset) {
  const Lock lock;
  const PropertyHandle properties = properties_of(dataset);
  H5D_fill_value_t fill = H5D_FILL_VALUE_DEFAULT;
  double value = 0;
  if (H5Pfill_value_defined(properties.get(), &fill) < 0 || fill != H5D_FILL_VALUE_USER_DEFINED) return std::nullopt;
  if (!dataset.type().is_number() || H5Pget_fill_value(properties.get(), H5T_NATIVE_DOUBLE, &value) < 0)
    return std::nullopt;
  return value;
}

double in_type_of(const Dataset& dataset, double number) {
  constexpr std::size_t widest = 64;  // bytes of a number
  if (dataset.type().kind != ElementClass::floating || dataset.type().bytes > static_cast<Index>(widest)) return number;
  const Lock lock;
  std::array<std::byte, widest> element{};
  std::memcpy(element.data(), &number, sizeof number);
  const TypeHandle type(check(H5Dget_type(dataset.id()), "read the type of", dataset.place()));
  check(H5Tconvert(H5T_NATIVE_DOUBLE, type.get(), 1, element.data(), nullptr, H5P_DEFAULT), "round a number for",
        dataset.place());
  check(H5Tconvert(type.get(), H5T_NATIVE_DOUBLE, 1, element.data(), nullptr, H5P_DEFAULT), "round a number for",
        dataset.place());
  std::memcpy(&number, element.data(), sizeof number);
  return number;
}

bool never_written(const Dataset& dataset) {
  const Lock lock;
  const PropertyHandle properties = properties_of(dataset);
  H5D_fill_value_t fill = H5D_FILL_VALUE_DEFAULT;
  H5Pfill_value_defined(properties.get(), &fill);
  const bool elsewhere = is_virtual(dataset) || H5Pget_external_count(properties.get()) > 0;
  return !elsewhere && declared_bytes(dataset) > small_bytes && fill != H5D_FILL_VALUE_USER_DEFINED &&
         H5Dget_storage_size(dataset.id()) == 0;
}

}  // namespace scanmf::hdf5
