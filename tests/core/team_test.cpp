// One thread team: fixed numbers, nothing left out where the system grants fewer threads, exceptions carried out.
#include "scanmf/core/team.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

namespace scanmf {
namespace {

/// How often each of `count` numbers was seen, and by which thread last.
struct Seen {
  explicit Seen(Index count) : times(static_cast<std::size_t>(count), 0), thread(static_cast<std::size_t>(count), -1) {}
  void add(int by, Index i) {
    const std::scoped_lock lock(mutex);
    ++times[static_cast<std::size_t>(i)];
    thread[static_cast<std::size_t>(i)] = by;
  }
  std::mutex mutex;
  std::vector<int> times;
  std::vector<int> thread;
};

void expect_everything_once(const Team& team) {
  for (const Index count : {0, 1, 2, 3, 7, 100}) {
    const std::vector<int> once(static_cast<std::size_t>(count), 1);
    Seen each(count), turns(count), parts(count), groups(count), come(count);
    team.for_each(count, [&](Index i) { each.add(0, i); });
    team.in_turns(5, count, [&](int thread, Index i) { turns.add(thread, i); });
    team.in_parts(count, [&](int thread, Range part) {
      for (Index i = part.begin; i < part.end; ++i) parts.add(thread, i);
    });
    team.in_groups(count, 3, [&](int thread, Range group) {
      EXPECT_EQ(group.begin % 3, 0);
      for (Index i = group.begin; i < group.end; ++i) groups.add(thread, i);
    });
    team.as_they_come(count, [&](int thread, Index i) { come.add(thread, i); });
    for (const Seen* seen : {&each, &turns, &parts, &groups, &come}) EXPECT_EQ(seen->times, once);
    for (Index i = 0; i < count; ++i) EXPECT_EQ(turns.thread[static_cast<std::size_t>(i)], (5 + i) % team.size());
    EXPECT_TRUE(std::ranges::is_sorted(parts.thread));
  }
}

TEST(Team, DoesEverythingOnceUnderFixedNumbers) {
  for (const int size : {1, 2, 3, 8}) expect_everything_once(Team(size));
}

TEST(Team, FewerThreadsThanAskedForDoAllShares) {
  // Within another team's region the system grants one thread: its numbers are all there nevertheless.
  Team(2).run([](int) {
    std::vector<int> shares;
    std::mutex mutex;
    Team(4).run([&](int thread) {
      const std::scoped_lock lock(mutex);
      shares.push_back(thread);
    });
    std::ranges::sort(shares);
    EXPECT_EQ(shares, (std::vector<int>{0, 1, 2, 3}));
  });
}

TEST(Team, ThrowsWhatTheLowestShareHasThrownOnceAllHaveEnded) {
  for (const int size : {1, 2, 4}) {
    Seen seen(size);
    const Team team(size);
    EXPECT_THROW(team.run([&](int thread) {
      seen.add(thread, thread);
      if (thread == 0) throw std::bad_alloc();
      throw std::runtime_error("a later one");
    }),
                 std::bad_alloc);
    EXPECT_EQ(seen.times, std::vector<int>(static_cast<std::size_t>(size), 1));
  }
}

TEST(Team, TakesTheNumberOfThreadsThatWasAskedFor) {
  const int before = Team().size();
  use_threads(3);
  EXPECT_EQ(Team().size(), 3);
  use_threads(0);
  EXPECT_EQ(Team().size(), 1);
  use_threads(before);
}

}  // namespace
}  // namespace scanmf
