#include "data/contents.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <deque>
#include <set>

#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

constexpr std::size_t most_objects = 10000;
constexpr int deepest_group = 32;

struct Place {
  std::string path;
  int depth;
};

/// Objects under their own names come before those under names of names (soft and external links).
class Walk {
 public:
  explicit Walk(const hdf5::File& file) : file_(file) {
    seen_.insert(hdf5::object_at(file, "/").identity);
    add_members("/", 0);
  }

  Contents contents() {
    while (!own_.empty() || !borrowed_.empty()) {
      std::deque<Place>& next = own_.empty() ? borrowed_ : own_;
      const Place place = next.front();
      next.pop_front();
      visit(place);
    }
    return std::move(found_);
  }

 private:
  void add_members(const std::string& group, int depth) {
    std::vector<hdf5::Link> links;
    try {
      links = hdf5::links_of(file_, group, most_objects);
    } catch (const Error&) {  // damaged, or of another file that is gone
      found_.whole = false;
    }
    for (const hdf5::Link& link : links) {
      if (++objects_ > most_objects) {
        found_.whole = false;
        return;
      }
      (link.hard ? own_ : borrowed_).push_back({inside(group, link.name), depth + 1});
    }
    if (links.size() == most_objects) found_.whole = false;
  }

  void visit(const Place& place) {
    const hdf5::Object object = hdf5::object_at(file_, place.path);
    if (object.kind == hdf5::ObjectKind::nothing || !seen_.insert(object.identity).second) return;
    StoredMatrix matrix{.path = place.path, .nature = Nature::other};
    try {
      matrix = recognise(file_, place.path);
    } catch (const Error& error) {
      matrix.refusal = error.what();
    }
    const bool is_group = object.kind == hdf5::ObjectKind::group;
    if (matrix.nature == Nature::matrix) {
      found_.matrices.push_back(std::move(matrix));
    } else if (!matrix.refusal.empty()) {
      found_.refused.push_back(std::move(matrix));
    } else if (!is_group) {
      found_.others.push_back(place.path);
    } else if (matrix.nature == Nature::container && place.depth < deepest_group) {
      add_members(place.path, place.depth);
    }
  }

  const hdf5::File& file_;
  std::set<hdf5::ObjectIdentity> seen_;
  std::deque<Place> own_;
  std::deque<Place> borrowed_;
  std::size_t objects_ = 0;
  Contents found_;
};

std::string shortened(std::vector<std::string> paths) {
  constexpr std::size_t longest = 20;
  if (paths.empty()) return "nothing";
  const bool more = paths.size() > longest;
  if (more) paths.resize(longest);
  return fmt::format("{}{}", fmt::join(paths, ", "), more ? ", …" : "");
}

}  // namespace

Contents contents_of(const hdf5::File& file) { return Walk(file).contents(); }

std::string listing(const std::vector<StoredMatrix>& matrices) {
  std::vector<std::string> paths;
  for (const StoredMatrix& matrix : matrices) paths.push_back(matrix.path);
  return shortened(std::move(paths));
}

std::string listing(const Contents& contents) {
  std::vector<std::string> paths;
  for (const StoredMatrix& matrix : contents.matrices) paths.push_back(matrix.path);
  for (const StoredMatrix& matrix : contents.refused) paths.push_back(matrix.path);
  paths.insert(paths.end(), contents.others.begin(), contents.others.end());
  return shortened(std::move(paths));
}

}  // namespace scanmf::data
