#include "data/input_name.hpp"

#include <filesystem>
#include <system_error>

namespace scanmf::data {

InputName parse_input(const std::string& input) {
  std::error_code ignored;
  const std::size_t colon = input.rfind(":/");
  if (colon == std::string::npos || colon == 0 || std::filesystem::exists(input, ignored)) return {input, ""};
  std::string path = input.substr(colon + 1);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return {input.substr(0, colon), path};
}

}  // namespace scanmf::data
