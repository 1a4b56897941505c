#include "core/crash_note.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace scanmf {
namespace {

void crash(int signal) {
  std::signal(signal, SIG_DFL);
  CrashNote::print_when_crashing();
  const CrashNote file("a.h5");
  {
    const CrashNote object("a.h5:/X");
    const CrashNote name("a.h5:/obs\n");
  }
  const CrashNote object("a.h5:/var/_index");
  std::raise(signal);
}

TEST(CrashNote, TheLastLineNamesTheInnermostObject) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT})
    EXPECT_EXIT(crash(signal), ::testing::KilledBySignal(signal),
                "scanmf: error: crashed while reading a.h5:/var/_index: .*\n$");
}

TEST(CrashNote, IsOneLine) {
  const CrashNote note("a\nb.h5:/X");
  EXPECT_EQ(note.line().find('\n'), note.line().size() - 1);
}

}  // namespace
}  // namespace scanmf
