#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <span>

#include "app/export_command.hpp"
#include "io/file_names.hpp"
#include "io/hdf5.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

namespace fs = std::filesystem;

constexpr Index piece_bytes = Index{1} << 24;
constexpr Index listed_features = 50;  // of a component, at most
constexpr std::array tables = {"W", "H", "top_features"};

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
    if (static_cast<Index>(text_.size()) >= piece_bytes) flush();
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
void write_W(const ExportedModel<T>& model, Table& table) {
  const hdf5::File file = hdf5::File::open(model.file);
  const hdf5::Dataset W = file.dataset("/W");
  const Index k = model.header.n_components;
  table.cell("sample");
  for (Index c = 0; c < k; ++c) table.cell(component_name(c));
  table.end_line();
  const Index step = std::max<Index>(1, piece_bytes / (k * static_cast<Index>(sizeof(T))));
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
void write_H(const ExportedModel<T>& model, Table& table) {
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
void write_top_features(const ExportedModel<T>& model, Table& table) {
  for (const char* column : {"component", "rank", "feature", "weight"}) table.cell(column);
  table.end_line();
  const Matrix<T>& Ht = model.Ht;
  std::vector<Index> order(static_cast<std::size_t>(Ht.rows()));
  const auto shown = static_cast<std::ptrdiff_t>(std::min(listed_features, Ht.rows()));
  for (Index c = 0; c < Ht.columns(); ++c) {
    std::iota(order.begin(), order.end(), Index{0});
    std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                      [&](Index a, Index b) { return Ht(a, c) > Ht(b, c) || (Ht(a, c) == Ht(b, c) && a < b); });
    for (auto j = order.begin(); j != order.begin() + shown && Ht(*j, c) > 0; ++j) {
      table.cell(component_name(c));
      table.cell(std::to_string(j - order.begin() + 1));
      table.cell(name_of(model.header.feature_names, *j));
      table.number(Ht(*j, c));
      table.end_line();
    }
  }
}

/// Throws Error when the folder has anything but tables of an earlier export in it.
void refuse_strangers(const std::string& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    const std::string ending = entry.path().extension().string();
    const bool ours = std::find(tables.begin(), tables.end(), stem) != tables.end() &&
                      (ending == ".csv" || ending == ".tsv") && entry.is_regular_file() && !entry.is_symlink();
    if (!ours)
      throw Error(fmt::format("the folder '{}' holds '{}', which is no table of an earlier export: name another folder",
                              folder, entry.path().filename().string()));
  }
}

/// A folder under a temporary name, which becomes `target` or vanishes.
class NewFolder {
 public:
  explicit NewFolder(const std::string& target) : target_(io::resolved_name(target)) {
    temporary_ = io::temporary_name(target_);
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
      refuse_strangers(target_);  // once more: minutes may have passed
      if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0)
        io::throw_system_error(fmt::format("'{}' cannot be replaced", target_), errno);
    } else if (std::rename(temporary_.c_str(), target_.c_str()) != 0) {
      io::throw_system_error(fmt::format("'{}' cannot be written", target_), errno);
    }
    io::sync_folder(io::folder_of(target_));
  }

 private:
  std::string target_;
  std::string temporary_;
};

}  // namespace

template <Scalar T>
void export_tables(const ExportedModel<T>& model, const std::string& output, const std::string& format) {
  std::string target = output;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  if (fs::exists(target)) {
    if (!fs::is_directory(target))
      throw Error(
          fmt::format("'{}' is a file: tables go into a folder; with an .h5ad file as second input they go into "
                      "a copy of that",
                      target));
    refuse_strangers(target);
  }
  NewFolder folder(target);
  const auto write = [&](const char* name, const auto& contents) {
    Table table(folder.file(fmt::format("{}.{}", name, format)), format == "tsv" ? '\t' : ',');
    contents(model, table);
    table.finish();
  };
  if (model.has_W) write(tables[0], write_W<T>);
  write(tables[1], write_H<T>);
  write(tables[2], write_top_features<T>);
  folder.commit();
}

template void export_tables(const ExportedModel<float>&, const std::string&, const std::string&);
template void export_tables(const ExportedModel<double>&, const std::string&, const std::string&);

}  // namespace scanmf::app
