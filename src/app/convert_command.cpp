#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <limits>

#include "app/commands.hpp"
#include "app/import.hpp"
#include "app/input_reader.hpp"
#include "app/memory_plan.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "data/csc_to_csr.hpp"
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
  std::error_code error;
  if (name.find(":/") != std::string::npos && !std::filesystem::exists(name, error)) return "hdf5";  // FILE:/path/in/file
  InputReader file(name);
  std::array<char, 16> head{};
  const Index bytes = file.read(head.data(), static_cast<Index>(head.size()));
  const std::string_view text(head.data(), static_cast<std::size_t>(bytes));
  if (text.starts_with("\x93NUMPY")) return "npy";
  if (text.starts_with("%%MatrixMarket") || ends_with(name, {".mtx"})) return "matrix-market";
  if (bytes > 4 && head[0] == 0 && head[1] == 0 && head[2] >= 0x08 && head[2] <= 0x0E) return "idx";
  if (text.starts_with("\x89HDF")) return "hdf5";
  const bool readable = std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 9; });
  if (readable && (bytes == 0 || ends_with(name, {".csv", ".tsv", ".txt", ".tab", ".dat"}))) return "text";
  throw Error(fmt::format("the format of '{}' is unknown; name it with option '--format'", name));
}

/// Collective. The format of all inputs, as given or as root finds it.
std::string choose_format(const Communicator& comm, const CommandLine& line) {
  std::string format = line.text("format");
  comm.agree([&] {
    if (comm.is_root() && format == "auto") format = find_format(line.inputs().front());
  });
  format = comm.broadcast(format);
  if (line.inputs().size() > 1 && format != "idx") throw UsageError(fmt::format("several inputs are joined for IDX files only, not for {}", format));
  return format;
}

/// Collective. The one thing to be done with a matrix in HDF5 already.
MatrixDescription describe_csc(const Communicator& comm, const std::string& input) {
  MatrixDescription description = describe_matrix(comm, input, "NMF");
  comm.agree([&] {
    if (description.format == FileFormat::csc) return;
    throw Error(fmt::format("{}:{} is {} in HDF5 already: use it as it is", description.file, description.path,
                            description.format == FileFormat::dense ? "dense" : "CSR"));
  });
  return description;
}

/// Local. Becomes CSR, so that it can be streamed.
Imported import_csc(const MatrixDescription& csc, data::MatrixFileWriter& out, const CommandLine& line, Index memory) {
  with_scalar(choose_dtype(line, csc.data_type), [&]<Scalar T>() {
    data::write_csc_as_csr<T>(csc, memory, out);
    return 0;
  });
  return {csc.shape, csc.stored};
}

Imported import_files(const CommandLine& line, const std::string& format, data::MatrixFileWriter& out) {
  const std::vector<std::string>& files = line.inputs();
  std::optional<DataType> dtype;
  if (line.text("dtype") != "auto") dtype = choose_dtype(line, DataType::float64);
  if (format == "idx") return import_idx(files, out, dtype);
  if (format == "npy") return import_npy(files.front(), out, dtype);
  if (format == "matrix-market") return import_matrix_market(files.front(), out, dtype);
  return import_text(files.front(), out, dtype);
}

}  // namespace

int convert(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const std::string target = line.text("output");
  check_output(comm, target, line.inputs());
  const std::string format = choose_format(comm, line);
  constexpr Index usual_memory = Index{1} << 30;  // for rows of CSR; each gigabyte of them takes a reading of the file
  const Index memory = parse_memory(line.text("memory"), usual_memory).value_or(std::numeric_limits<Index>::max());
  MatrixDescription csc;
  if (format == "hdf5") {
    csc = describe_csc(comm, line.inputs().front());
    check_output(comm, target, {csc.file});
  }
  comm.agree([&] {  // one rank is enough: reading and inflating set the pace
    if (!comm.is_root()) return;
    data::MatrixFileWriter out(target);
    const Imported written = format == "hdf5" ? import_csc(csc, out, line, memory) : import_files(line, format, out);
    if (written.shape.rows == 0) throw Error(fmt::format("'{}': Found array with 0 sample(s)", line.inputs().front()));
    if (written.shape.columns == 0) throw Error(fmt::format("'{}': Found array with 0 feature(s)", line.inputs().front()));
    out.commit();
    const std::string stored = written.stored ? fmt::format(", {} non-zeros", *written.stored) : "";
    log.print(fmt::format("X of {} x {}{}: {}\n", written.shape.rows, written.shape.columns, stored, target));
  });
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
