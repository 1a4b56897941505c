#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "app/export_command.hpp"
#include "app/top_features.hpp"
#include "io/file_names.hpp"
#include "io/hdf5.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::app {
namespace {

namespace fs = std::filesystem;

constexpr Index text_piece_bytes = Index{1} << 24;
constexpr Index listed_features = 50;  // of a component, at most

struct TableKind {
  std::string_view name;
  const char* beginning;  // of its first line, as CSV
};
constexpr std::array tables = {TableKind{"W", "sample,component_0"}, TableKind{"H", "component,"},
                               TableKind{"top_features", "component,rank,feature,weight\n"}};

/// A text file of lines of cells, as RFC 4180 has it: cells with a separator, a quote or an end of line in them are
/// quoted.
class Table {
 public:
  Table(const fs::path& file, char separator)
      : file_(io::PosixFile::create_exclusive(file.string(), file.string())), separator_(separator) {}

  void cell(const std::string& text) {
    begin_cell();
    if (text.find_first_of("\",;\t\r\n") == std::string::npos) {
      text_ += text;
      return;
    }
    text_ += '"';
    for (const char c : text) text_ += c == '"' ? std::string("\"\"") : std::string(1, c);
    text_ += '"';
  }
  /// The shortest text that is read as this number again.
  template <Scalar T>
  void number(T value) {
    begin_cell();
    fmt::format_to(std::back_inserter(text_), "{}", value);
  }
  void end_line() {
    text_ += '\n';
    begins_ = true;
    if (static_cast<Index>(text_.size()) >= text_piece_bytes) flush();
  }
  void finish() {
    flush();
    file_.sync();
  }

 private:
  void begin_cell() {
    if (!begins_) text_ += separator_;
    begins_ = false;
  }
  void flush() {
    file_.write(written_, std::as_bytes(std::span(text_)));
    written_ += static_cast<Index>(text_.size());
    text_.clear();
  }

  io::PosixFile file_;
  char separator_;
  std::string text_;
  bool begins_ = true;
  Index written_ = 0;
};

/// Its name, or its number where there are no names.
std::string name_of(const std::vector<std::string>& names, Index i) {
  return names.empty() ? std::to_string(i) : names[static_cast<std::size_t>(i)];
}

std::string component_name(Index c) { return fmt::format("component_{}", c); }

template <Scalar T>
void tabulate_W(const ExportedModel<T>& model, Table& table) {
  const hdf5::File file = hdf5::File::open(model.file);
  const hdf5::Dataset W = file.dataset("/W");
  const Index k = model.header.n_components;
  table.cell("sample");
  for (Index c = 0; c < k; ++c) table.cell(component_name(c));
  table.end_line();
  const Index step = std::max<Index>(1, text_piece_bytes / (k * static_cast<Index>(sizeof(T))));
  std::vector<T> values(static_cast<std::size_t>(std::min(step, W.rows()) * k));
  for (Index begin = 0; begin < W.rows(); begin += step) {
    const Range piece{begin, std::min(begin + step, W.rows())};
    W.read_rows(piece, values.data());
    for (Index i = 0; i < piece.size(); ++i) {
      table.cell(name_of(model.header.obs_names, begin + i));
      for (Index c = 0; c < k; ++c) table.number(values[static_cast<std::size_t>(i * k + c)]);
      table.end_line();
    }
  }
}

template <Scalar T>
void tabulate_H(const ExportedModel<T>& model, Table& table) {
  table.cell("component");
  for (Index j = 0; j < model.Ht.rows(); ++j) table.cell(name_of(model.header.feature_names, j));
  table.end_line();
  for (Index c = 0; c < model.Ht.columns(); ++c) {
    table.cell(component_name(c));
    for (Index j = 0; j < model.Ht.rows(); ++j) table.number(model.Ht(j, c));
    table.end_line();
  }
}

template <Scalar T>
void tabulate_top_features(const ExportedModel<T>& model, Table& table) {
  for (const char* column : {"component", "rank", "feature", "weight"}) table.cell(column);
  table.end_line();
  for (Index c = 0; c < model.Ht.columns(); ++c) {
    Index rank = 0;
    for (const Index j : top_features(model.Ht, c, listed_features)) {
      table.cell(component_name(c));
      table.cell(std::to_string(++rank));
      table.cell(name_of(model.header.feature_names, j));
      table.number(model.Ht(j, c));
      table.end_line();
    }
  }
}

/// Whether a file is a table of an export, by its name and by how it begins.
bool is_table(const fs::directory_entry& entry) {
  const std::string ending = entry.path().extension().string();
  const auto kind = std::ranges::find(tables, entry.path().stem().string(), &TableKind::name);
  if (kind == tables.end() || (ending != ".csv" && ending != ".tsv")) return false;
  if (entry.is_symlink() || !entry.is_regular_file()) return false;
  std::string expected = kind->beginning;
  if (ending == ".tsv") std::ranges::replace(expected, ',', '\t');
  return io::PosixFile::open_for_reading(entry.path().string()).begins_with(expected);
}

/// The tables of an earlier export in a folder. Throws Error when it holds anything else: it would be lost.
std::vector<std::string> earlier_tables(const std::string& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
    if (!is_table(entry))
      throw Error(fmt::format("the folder '{}' holds '{}', which is no table of an earlier export: name another folder",
                              folder, names.back()));
  }
  std::ranges::sort(names);
  return names;
}

/// A folder under a temporary name, which becomes `target` or vanishes.
class NewFolder {
 public:
  explicit NewFolder(const std::string& target) : target_(target), temporary_(io::temporary_name(target)) {
    io::remove_stale_temporaries(target_);
    std::error_code error;
    if (!fs::create_directory(temporary_, error))
      throw Error(fmt::format("cannot make the folder '{}': {}", target, error.message()));
  }
  ~NewFolder() {  // what remains, an earlier export after commit()
    std::error_code ignored;
    fs::remove_all(temporary_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  fs::path file(const std::string& name) const { return fs::path(temporary_) / name; }

  void commit() {
    io::sync_folder(temporary_);
    if (fs::exists(target_)) {
      const std::vector<std::string> earlier = earlier_tables(target_);  // once more: minutes may have passed
      exchange();
      if (!earlier.empty())
        log_information(
            fmt::format("tables of an earlier export in '{}' are replaced: {}", target_, fmt::join(earlier, ", ")));
    } else {
      rename(temporary_, target_);
    }
    io::sync_folder(io::folder_of(target_));
  }

 private:
  void rename(const std::string& from, const std::string& to) const {
    if (std::rename(from.c_str(), to.c_str()) != 0)
      io::throw_system_error(fmt::format("'{}' cannot be written", target_), errno);
  }

  /// At once where the file system can do that (NFS cannot), else one after the other.
  void exchange() {
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) return;
    if (errno != EINVAL && errno != ENOSYS)
      io::throw_system_error(fmt::format("'{}' cannot be replaced", target_), errno);
    const std::string aside = io::temporary_name(target_);
    rename(target_, aside);
    try {
      rename(temporary_, target_);
    } catch (...) {
      rename(aside, target_);
      throw;
    }
    temporary_ = aside;
  }

  std::string target_;
  std::string temporary_;
};

/// The folder that `output` means, without links and dots. Throws Error for what is there and cannot be replaced.
std::string target_folder(std::string output) {
  while (output.size() > 1 && output.back() == '/') output.pop_back();
  std::error_code error;
  if (!fs::exists(output, error)) return io::resolved_name(output);
  if (!fs::is_directory(output, error))
    throw Error(
        fmt::format("'{}' is a file: tables go into a folder; with an .h5ad file as second input they go into "
                    "a copy of that",
                    output));
  if (fs::equivalent(output, fs::current_path()))
    throw Error(
        fmt::format("'{}' is the working folder, and tables go into a folder that is replaced as a whole: name "
                    "one below it, '-o tables'",
                    output));
  earlier_tables(output);
  return fs::canonical(output).string();
}

}  // namespace

template <Scalar T>
void export_tables(const ExportedModel<T>& model, const std::string& output, const std::string& format) {
  NewFolder folder(target_folder(output));
  const auto write = [&](std::string_view name, const auto& contents) {
    Table table(folder.file(fmt::format("{}.{}", name, format)), format == "tsv" ? '\t' : ',');
    contents(model, table);
    table.finish();
  };
  if (model.has_W) write(tables[0].name, tabulate_W<T>);
  if (model.has_H()) {
    write(tables[1].name, tabulate_H<T>);
    write(tables[2].name, tabulate_top_features<T>);
  }
  folder.commit();
}

template void export_tables(const ExportedModel<float>&, const std::string&, const std::string&);
template void export_tables(const ExportedModel<double>&, const std::string&, const std::string&);

}  // namespace scanmf::app
