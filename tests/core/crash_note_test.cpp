#include "core/crash_note.hpp"

#include <gtest/gtest.h>

#include <atomic>
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
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGVTALRM})
    EXPECT_EXIT(crash(signal), ::testing::KilledBySignal(signal),
                "scanmf: error: crashed while reading a.h5:/var/_index: .*\n$");
}

/// Goes round in circles while it seems to read an attribute, after an outer and inner reading that ended.
void never_end() {
  CrashNote::print_when_crashing();
  { const CrashNote ended("a.h5:/ended", CrashNote::Of::attribute); }
  const CrashNote outer("a.h5", CrashNote::Of::attribute);
  { const CrashNote inner("a.h5:/inner", CrashNote::Of::attribute); }
  const CrashNote note("a.h5:/X", CrashNote::Of::attribute);
  for (const std::atomic<bool> ends{false}; !ends;) {
  }
}

TEST(CrashNote, AnAttributeThatNeverEndsIsACrash) {
  EXPECT_EXIT(never_end(), ::testing::KilledBySignal(SIGVTALRM), "crashed while reading a.h5:/X: .*\n$");
}

TEST(CrashNote, IsOneLine) {
  const CrashNote note("a\nb.h5:/X");
  EXPECT_EQ(note.line().find('\n'), note.line().size() - 1);
}

}  // namespace
}  // namespace scanmf
