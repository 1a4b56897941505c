#include "data/input_name.hpp"

#include <filesystem>
#include <system_error>

namespace scanmf::data {
namespace {

bool file_exists(const std::string& name) {
  std::error_code ignored;
  return std::filesystem::exists(name, ignored);
}

/// One slash between names, none at the end.
std::string normal_path(const std::string& path) {
  std::string normal = "/";
  for (const char c : path)
    if (c != '/' || normal.back() != '/') normal.push_back(c);
  if (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

}  // namespace

InputName parse_input(const std::string& input) {
  if (file_exists(input)) return {input, ""};
  const std::size_t colon = input.rfind(":/");
  if (colon != std::string::npos && colon > 0) return {input.substr(0, colon), normal_path(input.substr(colon + 1))};
  const std::size_t bare = input.rfind(':');
  if (bare != std::string::npos && bare > 0 && file_exists(input.substr(0, bare)))
    return {input.substr(0, bare), normal_path(input.substr(bare + 1))};
  return {input, ""};
}

}  // namespace scanmf::data
