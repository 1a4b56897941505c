#include "app/stop_requests.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>

namespace scanmf::app {
namespace {

volatile std::sig_atomic_t last_signal = 0;
volatile std::sig_atomic_t interruptions = 0;

constexpr std::array handled = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGXCPU};
constexpr std::array held = {SIGUSR1, SIGUSR2, SIGXCPU};  // the others are a person's, who wants an end at once

extern "C" void remember_signal(int signal) {
  if (signal == SIGTERM || signal == SIGINT) {
    interruptions = interruptions + 1;
    if (interruptions > 1) _exit(128 + signal);
  }
  last_signal = signal;
}

std::atomic<const LockFile*> held_lock = nullptr;

extern "C" void release_lock(int signal) {
  if (const LockFile* const lock = held_lock) lock->release();
  std::raise(signal);  // ends the process when the handler returns: it was set for one signal
}

void handle_signals(void (*handler)(int), int flags) {
  for (const int signal : handled) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signal, &action, nullptr);
  }
}

/// `how`: as of pthread_sigmask.
void mask_held(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : held) sigaddset(&signals, signal);
  pthread_sigmask(how, &signals, nullptr);
}

}  // namespace

void hold_stop_signals() { mask_held(SIG_BLOCK); }

StopSignals::StopSignals(bool keeps_state) {
  if (keeps_state) handle_signals(remember_signal, SA_RESTART);
  mask_held(SIG_UNBLOCK);
}

StopSignals::~StopSignals() { handle_signals(SIG_DFL, 0); }

ReleaseOnSignal::ReleaseOnSignal(const LockFile& lock) {
  held_lock = &lock;
  handle_signals(release_lock, static_cast<int>(SA_RESETHAND));
}

ReleaseOnSignal::~ReleaseOnSignal() {
  handle_signals(SIG_DFL, 0);
  held_lock = nullptr;
}

std::optional<std::string> StopSignals::received() {
  if (last_signal == 0) return std::nullopt;
  return std::string("SIG") + sigabbrev_np(last_signal);
}

}  // namespace scanmf::app
