#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace scanmf {

/// Seconds since construction or the last reset.
class Timer {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void reset() { start_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// What a run spends its time on; the end-of-run table has one row for each.
enum class Phase {
  read,
  initialise,
  wait_for_data,
  solve_blocks,
  communicate,
  update_h,
  evaluate,
  checkpoint,
  write,
  count
};

constexpr std::array<const char*, static_cast<std::size_t>(Phase::count)> phase_names = {
    "read", "initialise", "wait for data", "row blocks", "communicate", "update H", "evaluate", "checkpoint", "write"};

/// Seconds this rank has spent in each phase, and the bytes it has sent or received in collectives.
struct PhaseTimes {
  std::array<double, static_cast<std::size_t>(Phase::count)> seconds{};
  double& operator[](Phase phase) { return seconds[static_cast<std::size_t>(phase)]; }
};

/// Adds the time of its own life to one phase.
class PhaseTimer {
 public:
  PhaseTimer(PhaseTimes& times, Phase phase) : times_(times), phase_(phase) {}
  ~PhaseTimer() { times_[phase_] += timer_.seconds(); }
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

 private:
  PhaseTimes& times_;
  Phase phase_;
  Timer timer_;
};

}  // namespace scanmf
