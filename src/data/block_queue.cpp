#include "data/block_queue.hpp"

#include <utility>

#include "scanmf/core/team.hpp"
#include "scanmf/core/timer.hpp"

namespace scanmf::data {

template <Scalar T>
BlockQueue<T>::BlockQueue(std::unique_ptr<const BlockFeed<T>> feed, Index batches, int slots, int threads)
    : feed_(std::move(feed)), batches_(batches), cursor_(feed_->begin(0)) {
  bool any = false;
  for (Index batch = 0; batch < batches && !any; ++batch) any = feed_->blocks(batch) > 0;
  if (!any) return;  // a rank without rows reads nothing
  for (int i = 0; i < slots; ++i) slots_.push_back(feed_->make_slot());
  for (Slot<T>& slot : slots_) free_.push_back(&slot);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

template <Scalar T>
BlockQueue<T>::~BlockQueue() {
  {
    const Guard guard(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

template <Scalar T>
void BlockQueue<T>::work() {
  use_threads(1);  // the threads of this queue are the parallelism
  FeedScratch<T> scratch;
  Guard guard(mutex_);
  while (true) {
    work_.wait(guard, [this] { return stop_ || can_start(); });
    if (stop_) return;
    read_part(guard, scratch);
  }
}

/// Makes part_ the next part, of the following batches when this one is at its end.
template <Scalar T>
bool BlockQueue<T>::find_part() {
  for (Index tried = 0; !part_ && tried <= batches_; ++tried) {
    part_ = feed_->next(cursor_);
    if (part_) break;
    cursor_ = feed_->begin((cursor_.batch + 1) % batches_);
    started_ = 0;
  }
  return part_.has_value();
}

template <Scalar T>
bool BlockQueue<T>::can_start() {
  if (paused_ || !find_part()) return false;
  return part_->blocks.end - started_ <= static_cast<Index>(free_.size());
}

/// Gives slots to the blocks that the next part is the first one of.
template <Scalar T>
void BlockQueue<T>::start_blocks() {
  for (; started_ < part_->blocks.end; ++started_) {
    Entry& entry = entries_.emplace_back();
    entry.batch = cursor_.batch;
    entry.block = started_;
    entry.slot = free_.back();
    free_.pop_back();
    entry.missing = feed_->begin_block(entry.batch, entry.block, *entry.slot);
  }
}

template <Scalar T>
void BlockQueue<T>::read_part(Guard& guard, FeedScratch<T>& scratch) {
  start_blocks();
  const Part part = *std::exchange(part_, std::nullopt);
  std::vector<Entry*> entries;
  std::vector<Slot<T>*> slots;
  for (Index block = part.blocks.begin; block < part.blocks.end; ++block) {
    entries.push_back(&entry_of(cursor_.batch, block));
    slots.push_back(entries.back()->slot);
  }
  const Index batch = cursor_.batch;
  ++reading_;
  guard.unlock();
  work_.notify_one();  // there may be another part to start
  std::vector<Index> added(slots.size(), 0);
  std::exception_ptr error;
  try {
    feed_->read(batch, part, slots, added, scratch);
  } catch (...) {
    error = std::current_exception();
  }
  guard.lock();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = *entries[i];
    entry.missing -= added[i];
    if (error && !entry.error) entry.error = error;
    if (!entry.error && entry.missing > 0) continue;
    if (!entry.error) {
      guard.unlock();
      feed_->finish_block(*entry.slot);
      guard.lock();
    }
    entry.ready = true;
  }
  --reading_;
  ready_.notify_one();
}

template <Scalar T>
typename BlockQueue<T>::Entry& BlockQueue<T>::entry_of(Index batch, Index block) {
  for (auto entry = entries_.rbegin();; ++entry)
    if (entry->batch == batch && entry->block == block) return *entry;
}

template <Scalar T>
void BlockQueue<T>::drop_front(std::size_t count) {
  for (; count > 0; --count) {
    free_.push_back(entries_.front().slot);
    entries_.pop_front();
  }
  work_.notify_one();
}

/// Forgets everything and reads from the beginning of a batch.
template <Scalar T>
void BlockQueue<T>::restart(Guard& guard, Index batch) {
  paused_ = true;
  ready_.wait(guard, [this] { return reading_ == 0; });
  paused_ = false;
  cursor_ = feed_->begin(batch);
  part_.reset();
  started_ = 0;
  kept_ = 0;
  drop_front(entries_.size());
}

template <Scalar T>
void BlockQueue<T>::visit(Index batch, const Visitor& visitor) {
  const auto blocks = static_cast<std::size_t>(feed_->blocks(batch));
  if (blocks == 0) return;
  Guard guard(mutex_);
  if (kept_ > 0 && entries_.front().batch == batch) {
    for (std::size_t i = 0; i < kept_; ++i) hand_out(guard, i, visitor);
    return;
  }
  drop_front(std::exchange(kept_, 0));
  const bool expected = entries_.empty() ? cursor_.batch == batch && started_ == 0
                                         : entries_.front().batch == batch && entries_.front().block == 0;
  if (!expected) restart(guard, batch);
  const bool keep = 2 * blocks <= slots_.size();
  for (std::size_t i = 0; i < blocks; ++i) {
    hand_out(guard, keep ? i : 0, visitor);
    if (!keep) drop_front(1);
  }
  if (keep) kept_ = blocks;
}

template <Scalar T>
void BlockQueue<T>::hand_out(Guard& guard, std::size_t at, const Visitor& visitor) {
  const Timer timer;
  ready_.wait(guard, [&] { return entries_.size() > at && entries_[at].ready; });
  seconds_waited_ += timer.seconds();
  const Entry& entry = entries_[at];
  if (entry.error) std::rethrow_exception(entry.error);
  guard.unlock();
  try {
    visitor(*entry.slot);
  } catch (...) {
    guard.lock();
    throw;
  }
  guard.lock();
}

template class BlockQueue<float>;
template class BlockQueue<double>;

}  // namespace scanmf::data
