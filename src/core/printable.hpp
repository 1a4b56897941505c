#pragma once

#include <string>
#include <string_view>

namespace scanmf {

/// Text from outside (names of files, contents of locks, names in files) as one line that a terminal shows and does not
/// obey: control characters, and bytes that are no UTF-8, become "\n", "\t", "\x1b". Whatever else is UTF-8 stays as it
/// is.
std::string printable(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace scanmf
