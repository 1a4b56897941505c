#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "data/block_feed.hpp"

namespace scanmf::data {

/// A bounded number of blocks, read ahead of the solver by threads of their own in the order in which they will be
/// visited: one batch after the other, again and again. A batch that is small enough stays until another one is
/// visited, so that it can be visited again.
///
///     slots     | kept  | being visited | ready | being filled | being filled | free |
///     batch        3           4            4         4               5
template <Scalar T>
class BlockQueue {
 public:
  BlockQueue(std::unique_ptr<const BlockFeed<T>> feed, Index batches, int slots, int threads);
  ~BlockQueue();
  BlockQueue(const BlockQueue&) = delete;
  BlockQueue& operator=(const BlockQueue&) = delete;

  using Visitor = std::function<void(Slot<T>&)>;

  /// Calls `visitor` for the blocks of a batch in ascending order. Throws what reading threw. A batch of one block
  /// stays where it is until another one that has blocks is visited.
  void visit(Index batch, const Visitor& visitor);

  /// Time in which visit() had nothing to hand out.
  double seconds_waited() const { return seconds_waited_; }
  Index bytes() const { return feed_->slot_bytes() * static_cast<Index>(slots_.size()); }

 private:
  struct Entry {
    Index batch = 0;
    Index block = 0;
    Index missing = 0;  // elements that have not arrived
    bool ready = false;
    std::exception_ptr error;
    Slot<T>* slot = nullptr;
  };
  using Guard = std::unique_lock<std::mutex>;

  void work();
  bool find_part();
  bool can_start();
  void start_blocks();
  void read_part(Guard& guard, FeedScratch<T>& scratch);
  Entry& entry_of(Index batch, Index block);
  void drop_front(std::size_t count);
  void restart(Guard& guard, Index batch);
  void hand_out(Guard& guard, std::size_t at, const Visitor& visitor);

  std::unique_ptr<const BlockFeed<T>> feed_;
  Index batches_;
  std::vector<Slot<T>> slots_;
  std::vector<Slot<T>*> free_;
  std::deque<Entry>
      entries_;  // ascending in the order of visits; references stay valid while entries come and go at the ends

  std::mutex mutex_;
  std::condition_variable work_;   // for the threads: a slot is free, or the end
  std::condition_variable ready_;  // for visit(): a block is ready, or nobody reads any more
  PartCursor cursor_;
  std::optional<Part> part_;  // the next one to be read
  Index started_ = 0;         // blocks of the cursor's batch that have a slot
  std::size_t kept_ = 0;      // entries at the front that have been visited and stay
  int reading_ = 0;
  bool paused_ = false;
  bool stop_ = false;
  double seconds_waited_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace scanmf::data
