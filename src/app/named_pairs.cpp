#include "app/named_pairs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <span>
#include <string>
#include <unordered_map>

#include "core/number_text.hpp"
#include "core/printable.hpp"
#include "formats/formats.hpp"
#include "formats/named_lines.hpp"
#include "formats/utf8.hpp"
#include "io/hdf5.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::app {
namespace {

/// Numbers of the rows or columns of a model, by their names.
class Places {
 public:
  Places(const std::vector<std::string>& names, const char* what) : what_(what), has_names_(!names.empty()) {
    for (std::size_t i = 0; i < names.size(); ++i)
      if (const auto [known, is_new] = numbers_.emplace(names[i], static_cast<Index>(i)); !is_new)
        known->second = twice;
  }
  const char* what() const { return what_; }
  bool has_names() const { return has_names_; }

  /// nullopt: there is none of this name (or, without names, it is no number).
  std::optional<Index> find(const std::string& text) const {
    if (!has_names_) return parse_index(text);
    const std::string name = formats::is_utf8(text) ? text : formats::from_windows_1252(text);
    const auto found = numbers_.find(name);
    if (found == numbers_.end()) return std::nullopt;
    if (found->second == twice)
      throw Error(fmt::format("'{}' is the name of several {}s of the model: give their numbers (HDF5)",
                              printable(name), what_));
    return found->second;
  }

 private:
  static constexpr Index twice = -1;

  const char* what_;
  bool has_names_;
  std::unordered_map<std::string, Index> numbers_;
};

/// Pairs as they are found, and names that the model does not know.
class FoundPairs {
 public:
  FoundPairs(const std::string& file, const ModelHeader& header)
      : file_(file), rows_(header.obs_names, "row"), columns_(header.feature_names, "column") {}

  const Places& rows() const { return rows_; }
  const Places& columns() const { return columns_; }

  /// where: "line 3".
  void add(const Places& places, const std::string& text, const std::string& where) {
    const std::optional<Index> place = places.find(text);
    pairs_.push_back(place.value_or(0));
    if (place) return;
    constexpr std::size_t shown = 5;
    if (++unknown_; first_.size() < shown)
      first_.push_back(fmt::format("{}: '{}' ({})", where, printable(text), places.what()));
  }

  /// Throws Error when there are none, or some are not known.
  std::vector<Index> take() {
    if (unknown_ > 0)
      throw Error(fmt::format("'{}' has {} that the model does not know: {}{}{}", file_,
                              unknown_ == 1 ? "a name" : fmt::format("{} names", unknown_), fmt::join(first_, ", "),
                              unknown_ > static_cast<Index>(first_.size()) ? ", ..." : "", how_they_are_given()));
    if (pairs_.empty()) throw Error(fmt::format("'{}' holds no pairs", file_));
    return std::move(pairs_);
  }

 private:
  std::string how_they_are_given() const {
    for (const Places* const places : {&rows_, &columns_})
      if (!places->has_names()) return fmt::format("; its {}s have no names: they are counted from 0", places->what());
    return "";
  }

  std::string file_;
  Places rows_;
  Places columns_;
  std::vector<Index> pairs_;
  std::vector<std::string> first_;
  Index unknown_ = 0;
};

std::vector<Index> pairs_of_text(const std::string& file, const ModelHeader& header) {
  formats::NamedLines lines(file, 2, "a row and a column", {});
  FoundPairs found(file, header);
  lines.begin();
  std::string description = lines.description();
  for (bool first = true; lines.next(); first = false) {
    if (first && !found.rows().find(lines[0]) && !found.columns().find(lines[1])) {
      description += fmt::format(", names of columns in the first line (\"{}\", ...)", printable(lines[0]));
      continue;
    }
    const std::string where = fmt::format("line {}", lines.line_number());
    found.add(found.rows(), lines[0], where);
    found.add(found.columns(), lines[1], where);
  }
  log_information(fmt::format("'{}': {}", file, description));
  return found.take();
}

/// Texts of a list: strings, or whole numbers.
std::vector<std::string> texts_of(const hdf5::File& file, const std::string& path) {
  const hdf5::Dataset list = file.dataset(path);
  if (list.type().kind == hdf5::ElementClass::string) return file.read_strings(path);
  if (list.type().kind != hdf5::ElementClass::integer)
    throw Error(fmt::format("{} is of {}: beside a list of names it must be of names or whole numbers", list.place(),
                            list.type().name));
  list.check_stored();
  std::vector<Index> numbers(static_cast<std::size_t>(list.rows()));
  list.read_rows(Range{0, list.rows()}, numbers.data());
  std::vector<std::string> texts;
  for (const Index number : numbers) texts.push_back(std::to_string(number));
  return texts;
}

std::optional<std::vector<Index>> pairs_of_strings(const data::InputName& name, const ModelHeader& header) {
  const hdf5::File file = hdf5::File::open(name.file);
  const std::string group = name.path == "/" ? "" : name.path;
  const std::string paths[] = {group + "/rows", group + "/columns"};
  bool has_names = false;
  for (const std::string& path : paths) {
    if (hdf5::object_at(file, path).kind != hdf5::ObjectKind::dataset) return std::nullopt;
    const hdf5::Dataset list = file.dataset(path);
    if (list.dimensions().size() != 1) return std::nullopt;
    has_names = has_names || list.type().kind == hdf5::ElementClass::string;
  }
  if (!has_names) return std::nullopt;
  const std::vector<std::string> rows = texts_of(file, paths[0]);
  const std::vector<std::string> columns = texts_of(file, paths[1]);
  if (rows.size() != columns.size())
    throw Error(fmt::format("'{}' holds no pairs: {} rows and {} columns", name.file, rows.size(), columns.size()));
  FoundPairs found(name.file, header);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string where = fmt::format("pair {}", i);
    found.add(found.rows(), rows[i], where);
    found.add(found.columns(), columns[i], where);
  }
  return found.take();
}

}  // namespace

std::optional<std::vector<Index>> named_pairs(const Communicator& comm, const data::InputName& name,
                                              const ModelHeader& header) {
  std::optional<std::vector<Index>> pairs;
  Index count = -1;  // of numbers; -1: they have no names
  comm.agree([&] {
    if (!comm.is_root()) return;
    const bool is_text = name.path.empty() && formats::recognise(name.file) == formats::Format::text;
    pairs = is_text ? pairs_of_text(name.file, header) : pairs_of_strings(name, header);
    if (pairs) count = static_cast<Index>(pairs->size());
  });
  comm.broadcast(std::span<Index>(&count, 1));
  if (count < 0) return std::nullopt;
  if (!comm.is_root()) pairs.emplace(static_cast<std::size_t>(count));
  comm.broadcast(std::span<Index>(*pairs));
  return pairs;
}

}  // namespace scanmf::app
