#include "core/crash_note.hpp"

#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "core/printable.hpp"

namespace scanmf {
namespace {

std::atomic<const CrashNote*> innermost{nullptr};
std::atomic<bool> limits{false};

/// SIGVTALRM after so many seconds of this process on a processor; 0: never.
void set_limit(long seconds) {
  const itimerval value{{0, 0}, {seconds, 0}};
  ::setitimer(ITIMER_VIRTUAL, &value, nullptr);
}

/// Makes no call that a signal handler may not make.
void print_note(int signal) {
  if (const CrashNote* const note = innermost.load())
    (void)!::write(STDERR_FILENO, note->line().data(), note->line().size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

CrashNote::CrashNote(std::string place, Of what)
    : line_("scanmf: error: crashed while reading " + printable(place) +
            ": the file is probably damaged; take another copy of it, or write it again\n"),
      outer_(innermost.exchange(this)),
      limited_(what == Of::attribute && limits && (outer_ == nullptr || !outer_->limited_)) {
  constexpr long most_seconds = 10;
  if (limited_) set_limit(most_seconds);
}

CrashNote::~CrashNote() {
  if (limited_) set_limit(0);
  innermost.store(outer_);
}

void CrashNote::print_when_crashing() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL, SIGVTALRM}) {
    struct sigaction before {};
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_DFL) std::signal(signal, print_note);
  }
  limits = true;
}

}  // namespace scanmf
