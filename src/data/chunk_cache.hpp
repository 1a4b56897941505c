#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf::data {

/// A chunk whose filters have been undone.
struct PlainChunk {
  std::vector<Index> number;
  std::once_flag filled;
  std::vector<std::byte> bytes;  // empty: never written
};

/// The chunks used last, so that one that lies across batches or blocks is inflated once. Several threads.
class ChunkCache {
 public:
  explicit ChunkCache(Index chunks) : most_(static_cast<std::size_t>(chunks)) {}

  /// The chunk of that number, to be filled by who finds it empty: std::call_once(chunk->filled, …). It lives as long
  /// as somebody holds it.
  std::shared_ptr<PlainChunk> find(const std::vector<Index>& number) {
    const std::lock_guard guard(mutex_);
    for (auto chunk = chunks_.begin(); chunk != chunks_.end(); ++chunk) {
      if ((*chunk)->number != number) continue;
      chunks_.splice(chunks_.begin(), chunks_, chunk);
      return chunks_.front();
    }
    chunks_.push_front(std::make_shared<PlainChunk>());
    chunks_.front()->number = number;
    if (chunks_.size() > most_) chunks_.pop_back();
    return chunks_.front();
  }

 private:
  std::size_t most_;
  std::mutex mutex_;
  std::list<std::shared_ptr<PlainChunk>> chunks_;  // the last used first
};

}  // namespace scanmf::data
