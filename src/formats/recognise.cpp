#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>
#include <utility>

#include "formats/formats.hpp"
#include "formats/input_reader.hpp"
#include "formats/zip_archive.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

using namespace std::string_view_literals;

struct Beginning {
  std::string_view bytes;
  const char* name;
  const char* advice;
};

/// Files of other kinds that people have: what to do with them.
constexpr std::array<Beginning, 15> others = {{
    {"\xFD"
     "7zXZ\0"sv,
     "compressed by xz", "xz -d it first (gzip is read as it is)"},
    {"BZh"sv, "compressed by bzip2", "bunzip2 it first (gzip is read as it is)"},
    {"\x28\xB5\x2F\xFD"sv, "compressed by zstd", "zstd -d it first (gzip is read as it is)"},
    {"PAR1"sv, "a Parquet file", "write it as CSV, .npy or .h5ad"},
    {"ARROW1"sv, "an Arrow file", "write it as CSV, .npy or .h5ad"},
    {"FEA1"sv, "a Feather file", "write it as CSV, .npy or .h5ad"},
    {"\xD0\xCF\x11\xE0"sv, "an old Excel workbook", "save the sheet as CSV"},
    {"MATLAB 5.0"sv, "a MATLAB file of before version 7.3", "save it with '-v7.3'"},
    {"RDX"sv, "an R workspace", "write the matrix with write.csv or Matrix::writeMM"},
    {"X\n\0\0"sv, "an R object (.rds)", "write the matrix with write.csv or Matrix::writeMM"},
    {"A\n2\n"sv, "an R object (.rds)", "write the matrix with write.csv or Matrix::writeMM"},
    {"\x80\x04"sv, "a Python pickle", "write the array with numpy.save"},
    {"\x80\x05"sv, "a Python pickle", "write the array with numpy.save"},
    {"SQLite format 3"sv, "an SQLite database", "export the table as CSV"},
    {"%PDF"sv, "a PDF", "X is a table of numbers"},
}};

bool ends_with(const std::string& name, std::string_view ending) {
  std::string lower;
  for (const char c : name) lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return lower.ends_with(ending) || lower.ends_with(std::string(ending) + ".gz");
}

Format recognise_zip(const std::string& file) {
  const ZipArchive archive(file);
  const auto& members = archive.members();
  const auto any = [&](auto&& is) { return std::any_of(members.begin(), members.end(), is); };
  if (any([](const std::string& name) { return name.ends_with(".npy"); })) return Format::npz;
  if (archive.has("xl/workbook.xml") || archive.has("content.xml"))
    throw Error(fmt::format("'{}' is a workbook of Excel or LibreOffice: save the sheet as CSV", file));
  throw Error(fmt::format("'{}' is a ZIP file without arrays of numpy in it: unpack it first", file));
}

/// Text has none of the characters that nobody types.
bool is_text(std::string_view head) {
  if (head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF"))
    return true;  // UTF-16, which the reader of text refuses by its name
  return std::none_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 9 || (byte > 13 && byte < 32 && byte != 27) || byte == 127;
  });
}

bool is_idx(std::string_view head) {
  return head.size() > 4 && head[0] == 0 && head[1] == 0 && head[2] >= 0x08 && head[2] <= 0x0E && head[3] > 0;
}

}  // namespace

std::pair<std::string, std::string> split_member(const std::string& input) {
  std::error_code error;
  const std::size_t colon = input.rfind(':');
  if (colon == std::string::npos || std::filesystem::exists(input, error)) return {input, ""};
  std::string member = input.substr(colon + 1);
  if (member.starts_with('/')) member.erase(0, 1);
  if (member.ends_with(".npy")) member.resize(member.size() - 4);
  return {input.substr(0, colon), member};
}

Format recognise(const std::string& input) {
  std::error_code error;
  if (std::filesystem::is_directory(input, error)) return Format::matrix_market;  // of 10x Genomics
  const std::string file = std::filesystem::exists(input, error) ? input : split_member(input).first;
  InputReader reader(std::filesystem::exists(file, error) ? file : input);
  std::array<char, 4096> bytes{};
  std::string_view head(bytes.data(),
                        static_cast<std::size_t>(reader.read(bytes.data(), static_cast<Index>(bytes.size()))));
  if (head.starts_with("PK\x03\x04") || head.starts_with("PK\x05\x06")) return recognise_zip(file);
  if (head.starts_with("\x89HDF") || head.starts_with("MATLAB 7.3") || file != input) return Format::hdf5;
  if (head.starts_with("\x93NUMPY")) return Format::npy;
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  if (head.starts_with("%%MatrixMarket") || head.starts_with("%%matrixmarket") || ends_with(input, ".mtx"))
    return Format::matrix_market;
  if (is_idx(head)) return Format::idx;
  for (const Beginning& other : others)
    if (head.starts_with(other.bytes))
      throw Error(fmt::format("'{}' is {}, which is not read: {}", input, other.name, other.advice));
  if (is_text(head)) return Format::text;
  throw Error(fmt::format("the format of '{}' is unknown; name it with option '--format'", input));
}

}  // namespace scanmf::formats
