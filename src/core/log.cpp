#include "scanmf/core/log.hpp"

#include <fmt/format.h>

#include "core/printable.hpp"
#include "core/standard_streams.hpp"

namespace scanmf {
namespace {

LogSink& sink() {
  static LogSink current = [](LogLevel level, std::string_view message) {
    if (level == LogLevel::detail) return;
    print_message(fmt::format("scanmf: {}{}\n", level == LogLevel::warning ? "warning: " : "", printable(message)));
  };
  return current;
}

}  // namespace

void set_log_sink(LogSink next) { sink() = std::move(next); }
void log(LogLevel level, std::string_view message) { sink()(level, message); }

}  // namespace scanmf
