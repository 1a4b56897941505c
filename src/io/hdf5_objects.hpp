#pragma once

#include <array>
#include <string>
#include <vector>

#include "io/hdf5.hpp"

/// What lies under the names of a file: links and the objects that they lead to. Local.
namespace scanmf::hdf5 {

enum class ObjectKind { nothing, group, dataset, other };

/// Where an object lies. Several names may lead to one.
using ObjectIdentity = std::array<unsigned long, 4>;

struct Object {
  ObjectKind kind = ObjectKind::nothing;  // nothing: no such name, or a link that leads nowhere
  ObjectIdentity identity = {};
};

Object object_at(const File& file, const std::string& path);

struct Link {
  std::string name;
  bool hard = true;  // false: the name of another name, here or in another file
};

/// The links of a group in the order of their names, `most` at most.
std::vector<Link> links_of(const File& file, const std::string& group, std::size_t most);

/// Every link below the file's root, by its path; groups with several names are entered once.
std::vector<std::string> all_links(const File& file);

/// "FILE:/path" for a link to another file; empty for all others.
std::string external_target(const File& file, const std::string& path);

/// Takes a name away from the file, with all that is below it; false when there is none.
bool remove_object(File& file, const std::string& path);

/// The text of a dataset that is one string; empty when it is something else.
std::string read_text(const File& file, const std::string& path);

/// Elements of an attribute; nullopt when it does not exist or does not hold numbers.
std::optional<std::vector<double>> numbers_of_attribute(const File& file, const std::string& object,
                                                        const std::string& attribute);

/// For people: the members of a compound type.
std::vector<std::string> compound_members(const Dataset& dataset);

}  // namespace scanmf::hdf5
