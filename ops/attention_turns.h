#pragma once
// Blocks of queries that add to the gradients of the same keys, on several threads at once and yet with the
// same bits on any number of them: each key is added to by one block after the other, in the order of the
// blocks.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "ops/attention_block.h"

namespace scca::cpu {

/// The blocks of one head. Threads take one after the other, compute what they like at once, and wait at a
/// key until the blocks that come before have added to it. Nobody waits for a block that is not taken, and
/// who takes one must add to all its keys, so some thread can always go on.
class BlockTurns {
 public:
  BlockTurns(const HeadPlan& tiles, int64_t first_query, int64_t tokens, bool causal)
      : blocks_(query_blocks(tiles, first_query)),
        causal_(causal),
        planned_(static_cast<size_t>(tokens)),
        added_(static_cast<size_t>(tokens)) {}

  bool left() const { return next_.load(std::memory_order_relaxed) < blocks_.size(); }

  /// A block, the one after it (null: none), which will likely be taken next, and for each key in the order
  /// of the block's walk how many blocks add to the key before.
  struct Taken {
    QueryBlock block;
    const QueryBlock* following;
    std::vector<int32_t> turns;
  };
  std::optional<Taken> take() {
    const std::lock_guard lock(mutex_);
    if (!left()) return std::nullopt;
    const QueryBlock& block = blocks_[next_];
    std::vector<int32_t> turns;
    int64_t keys = 0;
    for (const KeySlice& slice : *block.keys) {
      const auto [begin, end] = seen_of(slice, block.queries, causal_);
      keys += end - begin;
    }
    turns.reserve(static_cast<size_t>(keys));  // what can fail comes before what others wait for
    for (const KeySlice& slice : *block.keys) {
      const auto [begin, end] = seen_of(slice, block.queries, causal_);
      for (int64_t i = begin; i < end; ++i) turns.push_back(planned_[static_cast<size_t>(slice.at(i))]++);
    }
    const size_t following = next_.fetch_add(1, std::memory_order_relaxed) + 1;
    return Taken{block, following < blocks_.size() ? &blocks_[following] : nullptr, std::move(turns)};
  }

  void wait(int64_t key, int32_t turn) const {
    constexpr int kPatience = 1000;  // then the thread that is waited for may want this CPU
    int looks = 0;
    while (added_[static_cast<size_t>(key)].load(std::memory_order_acquire) != turn)
      if (looks < kPatience)
        ++looks;
      else
        std::this_thread::yield();
  }
  /// After wait() for that turn, which is this thread's alone.
  void pass(int64_t key, int32_t turn) {
    added_[static_cast<size_t>(key)].store(turn + 1, std::memory_order_release);
  }

  /// Whether a block has added to the key; once all have.
  bool met(int64_t key) const { return added_[static_cast<size_t>(key)].load(std::memory_order_relaxed) > 0; }

 private:
  const std::vector<QueryBlock> blocks_;
  const bool causal_;
  std::mutex mutex_;
  std::atomic<size_t> next_ = 0;
  std::vector<int32_t> planned_;             // by position: blocks taken that meet the key
  std::vector<std::atomic<int32_t>> added_;  // by position: blocks that have added to it
};

}  // namespace scca::cpu
