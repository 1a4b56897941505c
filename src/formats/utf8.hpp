#pragma once

#include <string>
#include <string_view>

namespace scanmf::formats {

bool is_utf8(std::string_view text);

/// Text in Windows-1252, of which Latin-1 is a part, as UTF-8.
std::string from_windows_1252(std::string_view text);

}  // namespace scanmf::formats
