#include "core/crash_note.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "core/printable.hpp"

namespace scanmf {
namespace {

std::atomic<const CrashNote*> innermost{nullptr};

/// Makes no call that a signal handler may not make.
void print_note(int signal) {
  if (const CrashNote* const note = innermost.load())
    (void)!::write(STDERR_FILENO, note->line().data(), note->line().size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

CrashNote::CrashNote(std::string place)
    : line_("scanmf: error: crashed while reading " + printable(place) +
            ": the file is probably damaged; take another copy of it, or write it again\n"),
      outer_(innermost.exchange(this)) {}

CrashNote::~CrashNote() { innermost.store(outer_); }

void CrashNote::print_when_crashing() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL}) {
    struct sigaction before {};
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_DFL) std::signal(signal, print_note);
  }
}

}  // namespace scanmf
