#pragma once

#include <functional>
#include <string_view>

namespace scanmf {

/// Kinds of message. Warnings and errors go to stderr; information is shown unless --quiet; details with --verbose.
enum class LogLevel { error, warning, information, detail };

/// Where messages go. One sink for the process; the default writes "scanmf: …" lines to stderr.
/// The program sets it so that rank 0 alone speaks; libraries' users may redirect it.
using LogSink = std::function<void(LogLevel, std::string_view)>;

void set_log_sink(LogSink sink);
void log(LogLevel level, std::string_view message);
inline void log_warning(std::string_view message) { log(LogLevel::warning, message); }
inline void log_information(std::string_view message) { log(LogLevel::information, message); }
inline void log_detail(std::string_view message) { log(LogLevel::detail, message); }

}  // namespace scanmf
