#pragma once

#include <string>

namespace scanmf::data {

/// "FILE" or "FILE:/path/in/file", taken apart. "FILE:path" without the first slash is understood too, when FILE
/// exists.
struct InputName {
  std::string file;
  std::string path;  // empty: to be looked for
};

InputName parse_input(const std::string& input);

}  // namespace scanmf::data
