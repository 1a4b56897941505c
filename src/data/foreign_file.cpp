#include "data/foreign_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace scanmf::data {
namespace {

namespace fs = std::filesystem;

std::string lower_name(const std::string& name) {
  std::string lower;
  for (const char c : name) lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return lower;
}

bool ends_with_one(const std::string& name, std::initializer_list<const char*> endings) {
  for (const char* ending : endings)
    if (name.ends_with(ending)) return true;
  return false;
}

/// "counts.mtx.gz" → "counts.h5"
std::string converted_name(const std::string& name) {
  fs::path path = fs::path(name).filename();
  if (path.empty()) path = fs::path(name).parent_path().filename();
  while (ends_with_one(lower_name(path.extension().string()),
                       {".gz", ".csv", ".tsv", ".txt", ".tab", ".mtx", ".npz", ".dat", ".xz", ".bz2"}))
    path = path.stem();
  return path.string() + ".h5";
}

std::string convert_first(const std::string& name, const char* what) {
  return fmt::format("{} is {}, not an HDF5 file; convert it first: scanmf convert {} -o {}", name, what, name,
                     converted_name(name));
}

/// What programs write that scanmf convert does not read either.
std::string unreadable(const std::string& name, std::string_view head) {
  const std::string lower = lower_name(name);
  const auto is = [&](const char* what, const char* advice) {
    return fmt::format("{} is {}, not an HDF5 file; {}", name, what, advice);
  };
  if (head.starts_with("CDF\x01") || head.starts_with("CDF\x02") || head.starts_with("CDF\x05"))
    return is("a file of classic netCDF", "rewrite it as netCDF-4: nccopy -k nc4 IN.nc OUT.nc");
  if (head.starts_with("MATLAB 5.0"))
    return is("a MAT-file before version 7.3", "save it in MATLAB with '-v7.3', in Octave with '-hdf5'");
  if (head.starts_with("PAR1") || head.starts_with("ARROW1"))
    return is("a Parquet or Arrow file", "write it from pandas: h5py.File('X.h5', 'w')['X'] = df.to_numpy()");
  if (ends_with_one(lower, {".rds", ".rda", ".rdata"}))
    return is("R's own format",
              "write it in R: rhdf5::h5write(X, 'X.h5', 'X'), then scanmf … X.h5 --transpose; or Matrix::writeMM");
  if (ends_with_one(lower, {".pkl", ".pickle"}))
    return is("a pickle of Python", "write the matrix: h5py.File('X.h5', 'w')['X'] = X");
  if (ends_with_one(lower, {".xlsx", ".xls", ".ods"}))
    return is("a spreadsheet", "save it as CSV, then: scanmf convert X.csv -o X.h5");
  return "";
}

std::string by_content(const std::string& name, std::string_view head) {
  const std::string lower = lower_name(name);
  if (head.starts_with("%%MatrixMarket") || ends_with_one(lower, {".mtx", ".mtx.gz"}))
    return convert_first(name, "a Matrix Market file");
  if (ends_with_one(lower, {".npz"})) return convert_first(name, "an archive of numpy or scipy");
  const std::string other = unreadable(name, head);
  if (!other.empty()) return other;
  if (ends_with_one(lower,
                    {".csv", ".tsv", ".txt", ".tab", ".dat", ".csv.gz", ".tsv.gz", ".txt.gz", ".csv.xz", ".csv.bz2"}))
    return convert_first(name, "text");
  if (ends_with_one(lower, {"-ubyte", "-ubyte.gz", ".idx", ".idx.gz"})) return convert_first(name, "an IDX file");
  return "";
}

bool is_folder_of_10x(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "matrix.mtx.gz", ignored) || fs::exists(folder / "matrix.mtx", ignored);
}

}  // namespace

std::string foreign_file(const std::string& name) {
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) {
    if (is_folder_of_10x(name)) return convert_first(name, "a folder with matrix.mtx");
    if (fs::exists(fs::path(name) / ".zgroup", ignored) || fs::exists(fs::path(name) / "zarr.json", ignored))
      return fmt::format("{} is a Zarr folder, not an HDF5 file; write it from anndata: adata.write_h5ad('X.h5ad')",
                         name);
    return "";
  }
  if (!fs::is_regular_file(name, ignored)) return "";
  std::ifstream file(name, std::ios::binary);
  std::array<char, 16> bytes{};
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const std::string_view head(bytes.data(), static_cast<std::size_t>(file.gcount()));
  if (head.empty() || head.starts_with("\x89HDF") || head.starts_with("MATLAB 7.3")) return "";
  return by_content(name, head);
}

}  // namespace scanmf::data
