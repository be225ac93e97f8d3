#pragma once
// Rows of one head lie far apart, where no hardware reads ahead: what is needed later is asked for while
// something else is computed, a few rows at a time, so that the requests fit beside each other.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace scca::cpu {

inline constexpr int64_t kCacheLine = 64;

/// Brings a row into the second cache. (Inlined always: GCC takes a function that only prefetches for one
/// without an effect, and drops the call.)
template <class T>
[[gnu::always_inline]] inline void prefetch(const T* row, int64_t width) {
  constexpr int64_t line = kCacheLine / sizeof(T);
  for (int64_t i = 0; i < width; i += line) __builtin_prefetch(row + i, 0, 1);
}

/// Rows in the order in which they will be needed. To ask for one too many, or for one that somebody else
/// writes, changes nothing but the time; those beyond kMost are not asked for, so that nothing here can fail.
class RowsAhead {
 public:
  RowsAhead() { rows_.reserve(kMost); }

  void clear() {
    rows_.clear();
    asked_ = 0;
  }
  template <class T>
  void add(const T* row, int64_t width) {
    if (rows_.size() == kMost) return;
    rows_.push_back({reinterpret_cast<const std::byte*>(row), width * static_cast<int64_t>(sizeof(T))});
  }

  /// Asks for the next rows, until they are about that many cache lines.
  void step(int64_t lines) {
    for (; lines > 0 && asked_ < rows_.size(); ++asked_) {
      prefetch(rows_[asked_].begin, rows_[asked_].bytes);
      lines -= (rows_[asked_].bytes + kCacheLine - 1) / kCacheLine;
    }
  }

 private:
  static constexpr size_t kMost = 2048;
  struct Row {
    const std::byte* begin;
    int64_t bytes;
  };
  std::vector<Row> rows_;
  size_t asked_ = 0;
};

}  // namespace scca::cpu
