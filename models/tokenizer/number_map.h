#pragma once
// A hash table from 64-bit numbers to 64-bit numbers for look-ups that a tokenizer makes for every byte of a
// text: a third of std::unordered_map's time. It is filled once.
#include <bit>
#include <cstdint>
#include <vector>

#include "core/check.h"

namespace scca {

class NumberMap {
 public:
  /// Of any key that is not there; no key may have it.
  static constexpr uint64_t kNone = ~uint64_t{0};

  explicit NumberMap(size_t expected = 0) { grow_to(expected); }

  size_t size() const { return size_; }

  uint64_t find(uint64_t key) const {
    for (size_t at = place(key);; at = (at + 1) & mask_) {
      if (slots_[at].value == kNone || slots_[at].key == key) return slots_[at].value;
    }
  }
  /// False when the key is there already: its value stays.
  bool insert(uint64_t key, uint64_t value) {
    SCCA_CHECK(value != kNone, "NumberMap: ", kNone, " cannot be a value");
    if (2 * (size_ + 1) > slots_.size()) grow_to(2 * size_ + 1);
    size_t at = place(key);
    while (slots_[at].value != kNone && slots_[at].key != key) at = (at + 1) & mask_;
    if (slots_[at].value != kNone) return false;
    slots_[at] = {key, value};
    ++size_;
    return true;
  }

 private:
  struct Slot {
    uint64_t key = 0, value = kNone;
  };

  size_t place(uint64_t key) const { return static_cast<size_t>((key * 0x9e3779b97f4a7c15u) >> shift_); }

  void grow_to(size_t expected) {
    std::vector<Slot> old = std::move(slots_);
    const int bits = std::bit_width(2 * expected + 2);  // at most half full
    slots_.assign(size_t{1} << bits, {});
    mask_ = slots_.size() - 1;
    shift_ = 64 - bits;
    size_ = 0;
    for (const Slot& slot : old)
      if (slot.value != kNone) insert(slot.key, slot.value);
  }

  std::vector<Slot> slots_;
  size_t size_ = 0, mask_ = 0;
  int shift_ = 0;
};

}  // namespace scca
