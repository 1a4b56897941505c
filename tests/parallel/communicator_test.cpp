#include "scanmf/parallel/communicator.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "scanmf/parallel/environment.hpp"

namespace scanmf {
namespace {

/// Every collective must give the same with messages cut into pieces: limits from one element a message to no cutting.
class CommunicatorTest : public testing::TestWithParam<Index> {
 protected:
  const Communicator comm{MPI_COMM_WORLD, GetParam()};
  const int rank = comm.rank();
  const int size = comm.size();

  /// Slices of uneven length, rank 1's is empty.
  std::vector<Index> uneven_offsets() const {
    std::vector<Index> offsets{0};
    for (int r = 0; r < size; ++r) offsets.push_back(offsets.back() + (r == 1 ? 0 : 3 + 2 * r));
    return offsets;
  }
};

/// A value that tells rank and position apart.
template <class T>
T value_at(int rank, std::size_t i) {
  return static_cast<T>(100 * (rank + 1)) + static_cast<T>(i);
}

template <class T>
void expect_sums_and_maxima(const Communicator& comm) {
  std::vector<T> sums(11);
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = value_at<T>(comm.rank(), i);
  std::vector<T> maxima = sums;
  comm.allreduce_sum(std::span<T>(sums));
  comm.allreduce_max(std::span<T>(maxima));
  for (std::size_t i = 0; i < sums.size(); ++i) {
    T expected{};
    for (int r = 0; r < comm.size(); ++r) expected += value_at<T>(r, i);
    EXPECT_EQ(sums[i], expected);
    EXPECT_EQ(maxima[i], value_at<T>(comm.size() - 1, i));
  }
}

TEST_P(CommunicatorTest, allreduce) {
  expect_sums_and_maxima<float>(comm);
  expect_sums_and_maxima<double>(comm);
  expect_sums_and_maxima<Index>(comm);
  expect_sums_and_maxima<int>(comm);
  EXPECT_EQ(comm.sum<Index>(rank + 1), size * (size + 1) / 2);
  EXPECT_EQ(comm.max<double>(-rank), 0);
  comm.allreduce_sum(std::span<double>());
}

template <class T>
void expect_allgather(const Communicator& comm, const std::vector<Index>& offsets) {
  std::vector<T> all(static_cast<std::size_t>(offsets.back()), T{0});
  for (Index i = offsets[static_cast<std::size_t>(comm.rank())]; i < offsets[static_cast<std::size_t>(comm.rank()) + 1];
       ++i)
    all[static_cast<std::size_t>(i)] = static_cast<T>(7 + i);
  comm.allgather(std::span<T>(all), offsets);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], static_cast<T>(7 + i));
}

TEST_P(CommunicatorTest, allgather_of_slices) {
  expect_allgather<float>(comm, uneven_offsets());
  expect_allgather<double>(comm, uneven_offsets());
  expect_allgather<Index>(comm, uneven_offsets());
  expect_allgather<char>(comm, uneven_offsets());
  expect_allgather<double>(comm, slice_offsets(1, size));
  expect_allgather<double>(comm, slice_offsets(0, size));
}

TEST_P(CommunicatorTest, allgather_of_values_and_texts) {
  const std::vector<Index> ranks = comm.allgather<Index>(rank * 10);
  const std::vector<double> halves = comm.allgather<double>(rank * 0.5);
  const std::vector<std::string> texts =
      comm.allgather(std::string(static_cast<std::size_t>(3 * rank), static_cast<char>('a' + rank)));
  ASSERT_EQ(ranks.size(), static_cast<std::size_t>(size));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(size));
  for (int r = 0; r < size; ++r) {
    EXPECT_EQ(ranks[static_cast<std::size_t>(r)], r * 10);
    EXPECT_EQ(halves[static_cast<std::size_t>(r)], r * 0.5);
    EXPECT_EQ(texts[static_cast<std::size_t>(r)],
              std::string(static_cast<std::size_t>(3 * r), static_cast<char>('a' + r)));
  }
}

TEST_P(CommunicatorTest, broadcast) {
  for (int root = 0; root < size; ++root) {
    std::vector<double> values(9, rank == root ? 1.5 : 0.0);
    comm.broadcast(std::span<double>(values), root);
    EXPECT_EQ(values, std::vector<double>(9, 1.5));
    EXPECT_EQ(comm.broadcast(std::string(static_cast<std::size_t>(rank), 'x'), root),
              std::string(static_cast<std::size_t>(root), 'x'));
  }
}

TEST_P(CommunicatorTest, exchange) {
  // Rank r sends r + 2s elements to rank s, so rank 0 sends nothing to itself.
  std::vector<std::vector<Index>> blocks;
  for (int s = 0; s < size; ++s) blocks.emplace_back(static_cast<std::size_t>(rank + 2 * s), 1000 * rank + s);
  for (auto& block : blocks) std::iota(block.begin(), block.end(), block.empty() ? 0 : block.front());
  const auto received = comm.exchange(blocks);
  ASSERT_EQ(received.size(), static_cast<std::size_t>(size));
  for (int r = 0; r < size; ++r) {
    const auto& block = received[static_cast<std::size_t>(r)];
    ASSERT_EQ(block.size(), static_cast<std::size_t>(r + 2 * rank));
    for (std::size_t i = 0; i < block.size(); ++i) EXPECT_EQ(block[i], 1000 * r + rank + static_cast<Index>(i));
  }
}

INSTANTIATE_TEST_SUITE_P(message_limits, CommunicatorTest, testing::Values(1, 2, 3, 5, default_message_limit));

TEST(CommunicatorAgree, passes_when_no_rank_fails) {
  const Communicator comm;
  int calls = 0;
  comm.agree([&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(CommunicatorAgree, every_rank_throws_the_message_and_status_of_the_lowest_rank_that_failed) {
  const Communicator comm;
  const int first = comm.size() / 2;
  try {
    comm.agree([&] {
      if (comm.rank() >= first) throw UsageError("rank " + std::to_string(comm.rank()) + " is not well");
    });
    FAIL() << "agree() returned";
  } catch (const AgreedError& error) {
    EXPECT_EQ(std::string(error.what()), "rank " + std::to_string(first) + " is not well");
    EXPECT_EQ(error.status(), ExitStatus::usage);
  }
  EXPECT_EQ(comm.sum<Index>(1), comm.size()) << "the communicator works on";
}

TEST(CommunicatorAgree, takes_exceptions_of_every_kind) {
  const Communicator comm;
  const bool last = comm.rank() == comm.size() - 1;
  EXPECT_THROW(comm.agree([&] {
    if (last) throw std::bad_alloc();
  }),
               AgreedError);
  EXPECT_THROW(comm.agree([&] {
    if (last) throw std::out_of_range("index");
  }),
               AgreedError);
  EXPECT_THROW(comm.agree([&] {
    if (last) throw 7;
  }),
               AgreedError);
  EXPECT_THROW(comm.agree([&] {
    if (last) throw Error("stopped half way", ExitStatus::done);
  }),
               AgreedError);
}

TEST(Communicator, counts_bytes_only_between_ranks) {
  const Communicator comm;
  EXPECT_EQ(comm.bytes(), 0);
  comm.sum<double>(1);
  EXPECT_EQ(comm.bytes(), comm.size() > 1 ? 8 : 0);
  EXPECT_GE(comm.seconds(), 0);
}

TEST(SliceOffsets, cover_everything_in_grains) {
  for (const Index count : {0, 1, 5, 64, 1000})
    for (const int ranks : {1, 2, 3, 7})
      for (const Index grain : {1, 8, 100}) {
        const std::vector<Index> offsets = slice_offsets(count, ranks, grain);
        ASSERT_EQ(offsets.size(), static_cast<std::size_t>(ranks) + 1);
        EXPECT_EQ(offsets.front(), 0);
        EXPECT_EQ(offsets.back(), count);
        for (std::size_t r = 0; r + 1 < offsets.size(); ++r) {
          EXPECT_LE(offsets[r], offsets[r + 1]);
          EXPECT_TRUE(offsets[r] % grain == 0 || offsets[r] == count);
          EXPECT_LE(offsets[r + 1] - offsets[r], (count / ranks / grain + 2) * grain);
        }
      }
}

TEST(Environment, this_rank_may_use_some_core) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_GE(thread_count(), 1);
  EXPECT_GT(peak_memory(), 1 << 20);
}

}  // namespace
}  // namespace scanmf
