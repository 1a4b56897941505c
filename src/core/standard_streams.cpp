#include "core/standard_streams.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

/// The lowest free descriptor is taken: to be called in their order.
void open_if_closed(int descriptor, int flags) {
  if (::fcntl(descriptor, F_GETFD) == -1 && errno == EBADF) (void)!::open("/dev/null", flags);
}

}  // namespace

void open_standard_streams() {
  open_if_closed(STDIN_FILENO, O_RDONLY);
  open_if_closed(STDOUT_FILENO, O_RDONLY);  // so that writing to it goes on to fail
  open_if_closed(STDERR_FILENO, O_WRONLY);
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
}

void print_message(std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void print_result(std::string_view text) {
  errno = 0;
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  const int reason = errno;
  std::clearerr(stdout);
  if (!whole) throw Error(fmt::format("the result cannot be written to stdout: {}", std::strerror(reason)));
}

}  // namespace scanmf
