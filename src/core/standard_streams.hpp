#pragma once

#include <string_view>

namespace scanmf {

/// To be called before anything else of a program: opens /dev/null in the place of standard streams that are closed, so
/// that no file that is opened later becomes one of them and no message ends in it. Output to a closed stdout still
/// fails, as it must for print_result. From then on a reader that has gone away, and a file that may not grow, is a
/// failed write, not the end of the process.
void open_standard_streams();

/// Writes a message to stderr. What cannot be written (a full disk, a reader that has gone) is lost: no run ends for
/// its messages.
void print_message(std::string_view text) noexcept;

/// Writes what a command was asked for to stdout. Throws Error when not all of it arrives.
void print_result(std::string_view text);

}  // namespace scanmf
