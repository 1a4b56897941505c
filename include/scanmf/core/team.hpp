#pragma once

#include <algorithm>
#include <functional>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// The threads of this rank: the only place that starts any for computing.
///
/// A team has fixed numbers 0 … size() − 1 for the shares of its work. Where the system grants fewer threads than that,
/// one thread does several shares: nothing is left out, and what is summed share by share has the same bits. An
/// exception of a thread (memory may run out in any of them) is thrown by the caller's once all have ended, that of the
/// lowest number.
class Team {
 public:
  /// As many as use_threads() has asked for.
  Team();
  explicit Team(int size) : size_(size) {}

  int size() const { return size_; }

  /// Calls work(thread) once for each number.
  void run(const std::function<void(int thread)>& work) const;

  /// Calls body(thread, range) for nearly equal consecutive parts of 0 … count − 1, in the order of the threads; empty
  /// ones are left out.
  template <class Body>
  void in_parts(Index count, Body&& body) const {
    run([&](int thread) {
      const Range part{count * thread / size_, count * (thread + 1) / size_};
      if (!part.empty()) body(thread, part);
    });
  }

  /// Calls body(i) for 0 <= i < count: consecutive numbers on the same thread.
  template <class Body>
  void for_each(Index count, Body&& body) const {
    in_parts(count, [&](int, Range part) {
      for (Index i = part.begin; i < part.end; ++i) body(i);
    });
  }

  /// Calls body(thread, range) for groups of `group` numbers out of 0 … count − 1, the last one may be smaller:
  /// consecutive groups on the same thread.
  template <class Body>
  void in_groups(Index count, Index group, Body&& body) const {
    in_parts((count + group - 1) / group, [&](int thread, Range part) {
      for (Index g = part.begin; g < part.end; ++g) body(thread, Range{g * group, std::min(count, (g + 1) * group)});
    });
  }

  /// Calls body(thread, i) for 0 <= i < count: number i belongs to thread (first + i) mod size().
  template <class Body>
  void in_turns(Index first, Index count, Body&& body) const {
    run([&](int thread) {
      for (Index i = ((thread - first) % size_ + size_) % size_; i < count; i += size_) body(thread, i);
    });
  }

  /// Calls body(thread, i) for 0 <= i < count: each thread takes the next number when it is done with one. For work of
  /// unequal size whose results do not depend on who does it.
  void as_they_come(Index count, const std::function<void(int thread, Index i)>& body) const;

 private:
  int size_;
};

/// For work on so many elements: a single thread where waking the others would take longer than they save.
Team team_for(Index elements);

/// Teams that the calling thread makes from now on have so many threads.
void use_threads(int threads);

}  // namespace scanmf
