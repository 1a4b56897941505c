#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "app/commands.hpp"
#include "app/import.hpp"
#include "app/input_reader.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

bool ends_with(const std::string& name, std::initializer_list<const char*> endings) {
  std::string lower;
  for (const char c : name) lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  if (lower.ends_with(".gz")) lower.resize(lower.size() - 3);
  return std::any_of(endings.begin(), endings.end(), [&](const char* ending) { return lower.ends_with(ending); });
}

/// The format by the first bytes, or else by the name.
std::string find_format(const std::string& name) {
  InputReader file(name);
  std::array<char, 16> head{};
  const Index bytes = file.read(head.data(), static_cast<Index>(head.size()));
  const std::string_view text(head.data(), static_cast<std::size_t>(bytes));
  if (text.starts_with("\x93NUMPY")) return "npy";
  if (text.starts_with("%%MatrixMarket") || ends_with(name, {".mtx"})) return "matrix-market";
  if (bytes > 4 && head[0] == 0 && head[1] == 0 && head[2] >= 0x08 && head[2] <= 0x0E) return "idx";
  if (text.starts_with("\x89HDF")) throw Error(fmt::format("'{}' is an HDF5 file already: use it as it is", name));
  const bool readable = std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 9; });
  if (readable && (bytes == 0 || ends_with(name, {".csv", ".tsv", ".txt", ".tab", ".dat"}))) return "text";
  throw Error(fmt::format("the format of '{}' is unknown; name it with option '--format'", name));
}

Imported import_files(const CommandLine& line, data::MatrixFileWriter& out) {
  const std::vector<std::string>& files = line.inputs();
  std::string format = line.text("format");
  if (format == "auto") format = find_format(files.front());
  std::optional<DataType> dtype;
  if (line.text("dtype") != "auto") dtype = choose_dtype(line, DataType::float64);
  if (format == "idx") return import_idx(files, out, dtype);
  if (files.size() > 1) throw UsageError(fmt::format("several inputs are joined for IDX files only, not for {}", format));
  if (format == "npy") return import_npy(files.front(), out, dtype);
  if (format == "matrix-market") return import_matrix_market(files.front(), out, dtype);
  return import_text(files.front(), out, dtype);
}

}  // namespace

int convert(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const std::string target = line.text("output");
  check_output(comm, target, line.inputs());
  comm.agree([&] {  // one rank is enough: reading and inflating set the pace
    if (!comm.is_root()) return;
    data::MatrixFileWriter out(target);
    const Imported written = import_files(line, out);
    if (written.shape.rows == 0) throw Error(fmt::format("'{}': Found array with 0 sample(s)", line.inputs().front()));
    if (written.shape.columns == 0) throw Error(fmt::format("'{}': Found array with 0 feature(s)", line.inputs().front()));
    out.commit();
    const std::string stored = written.stored ? fmt::format(", {} non-zeros", *written.stored) : "";
    log.print(fmt::format("X of {} x {}{}: {}\n", written.shape.rows, written.shape.columns, stored, target));
  });
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
