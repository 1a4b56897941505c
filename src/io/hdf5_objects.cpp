#include "io/hdf5_objects.hpp"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "io/hdf5_internal.hpp"

namespace scanmf::hdf5 {
namespace {

struct Collected {
  std::vector<Link> links;
  std::size_t most;
};

herr_t collect(hid_t, const char* name, const H5L_info_t* info, void* to) {
  auto& collected = *static_cast<Collected*>(to);
  if (collected.links.size() == collected.most) return 1;
  collected.links.push_back({name, info->type == H5L_TYPE_HARD});
  return 0;
}

}  // namespace

Object object_at(const File& file, const std::string& path) {
  const Lock lock;
  if (!file.exists(path)) return {};
  H5G_stat_t status;
  if (H5Gget_objinfo(file.id(), path.c_str(), 1, &status) < 0) return {};
  const ObjectIdentity identity = {status.fileno[0], status.fileno[1], status.objno[0], status.objno[1]};
  switch (status.type) {
    case H5G_GROUP:
      return {ObjectKind::group, identity};
    case H5G_DATASET:
      return {ObjectKind::dataset, identity};
    default:
      return {ObjectKind::other, identity};
  }
}

std::vector<Link> links_of(const File& file, const std::string& group, std::size_t most) {
  const Lock lock;
  const GroupHandle handle(check(H5Gopen2(file.id(), group.c_str(), H5P_DEFAULT), "open group", file.place(group)));
  Collected collected{{}, most};
  check(H5Literate(handle.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &collected), "list", file.place(group));
  return std::move(collected.links);
}

std::vector<std::string> all_links(const File& file) {
  const Lock lock;
  Collected collected{{}, std::numeric_limits<std::size_t>::max()};
  check(H5Lvisit(file.id(), H5_INDEX_NAME, H5_ITER_INC, collect, &collected), "list", file.place("/"));
  std::vector<std::string> paths;
  for (const Link& link : collected.links) paths.push_back("/" + link.name);
  return paths;
}

std::string external_target(const File& file, const std::string& path) {
  const Lock lock;
  H5L_info_t info;
  check(H5Lget_info(file.id(), path.c_str(), &info, H5P_DEFAULT), "look at", file.place(path));
  if (info.type != H5L_TYPE_EXTERNAL) return "";
  std::vector<char> value(info.u.val_size);
  check(H5Lget_val(file.id(), path.c_str(), value.data(), value.size(), H5P_DEFAULT), "look at", file.place(path));
  unsigned flags = 0;
  const char* target = nullptr;
  const char* object = nullptr;
  check(H5Lunpack_elink_val(value.data(), value.size(), &flags, &target, &object), "look at", file.place(path));
  return fmt::format("{}:{}", target, object);
}

bool remove_object(File& file, const std::string& path) {
  const Lock lock;
  if (!file.exists(path)) return false;
  check(H5Ldelete(file.id(), path.c_str(), H5P_DEFAULT), "remove", file.place(path));
  return true;
}

std::string read_text(const File& file, const std::string& path) {
  const Lock lock;
  constexpr std::size_t longest = 4096;
  const Dataset dataset = file.dataset(path);
  if (!dataset.dimensions().empty() || dataset.type().kind != ElementClass::string) return "";
  const TypeHandle type(check(H5Dget_type(dataset.id()), "read the type of", dataset.place()));
  if (H5Tis_variable_str(type.get()) > 0) {
    char* text = nullptr;
    check(H5Dread(dataset.id(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, static_cast<void*>(&text)), "read",
          dataset.place());
    const std::string copy = text == nullptr ? "" : text;
    H5free_memory(text);
    return copy;
  }
  std::string text(H5Tget_size(type.get()), '\0');
  if (text.size() > longest) return "";
  check(H5Dread(dataset.id(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()), "read", dataset.place());
  return without_padding(text.data(), static_cast<Index>(text.size()), H5Tget_strpad(type.get()));
}

std::vector<std::string> compound_members(const Dataset& dataset) {
  const Lock lock;
  std::vector<std::string> names;
  const TypeHandle type(H5Dget_type(dataset.id()));
  if (H5Tget_class(type.get()) != H5T_COMPOUND) return names;
  for (int i = 0; i < H5Tget_nmembers(type.get()); ++i) {
    char* const name = H5Tget_member_name(type.get(), static_cast<unsigned>(i));
    if (name != nullptr) names.emplace_back(name);
    H5free_memory(name);
  }
  return names;
}

}  // namespace scanmf::hdf5
