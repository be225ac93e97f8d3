#pragma once
// A run of weights in few bits, a register of them at a time: the CPU's way to read what ops/block_formats.h
// says.
#include <array>
#include <cstring>
#include <utility>

#include "core/simd.h"
#include "ops/block_formats.h"

namespace scca::blocks {

/// Lanes of ops/block_formats.h, as many as a register of floats has.
struct RegisterLanes {
  using Ints = simd::ints;
  using Floats = simd::floats;
  static constexpr int kCount = simd::kWidth;

  // Bytes become numbers in two steps: GCC 12 takes a single one lane by lane.
  SCCA_INLINE static Ints bytes(const uint8_t* at) {
    Bytes read;
    std::memcpy(&read, at, sizeof read);
    return __builtin_convertvector(__builtin_convertvector(read, Shorts), Ints);
  }
  SCCA_INLINE static Ints signed_bytes(const uint8_t* at) {
    SignedBytes read;
    std::memcpy(&read, at, sizeof read);
    return __builtin_convertvector(__builtin_convertvector(read, SignedShorts), Ints);
  }
  SCCA_INLINE static Ints bits(uint32_t word, int first) {
    return reinterpret_cast<Ints>((simd::uints{} + (word >> first)) >> numbered() & 1u);
  }
  SCCA_INLINE static Floats numbers(Ints q) { return __builtin_convertvector(q, Floats); }

  /// By shuffles of registers that hold the 16 levels, of which an index of more lanes takes its last bits.
  template <class Table>
  SCCA_INLINE static Floats levels(Ints q) {
    constexpr int registers = 16 / kCount;
    static constexpr auto table = [] {
      std::array<float, 16> all{};
      for (int i = 0; i < 16; ++i) all[static_cast<size_t>(i)] = Table::level(i);
      return all;
    }();
    Floats found = shuffled(simd::load(table.data()), q);
    for (int r = 1; r < registers; ++r)
      found = simd::select(q < r * kCount, found, shuffled(simd::load(table.data() + r * kCount), q));
    return found;
  }

 private:
  using Bytes = uint8_t __attribute__((vector_size(kCount)));
  using SignedBytes = int8_t __attribute__((vector_size(kCount)));
  using Shorts = uint16_t __attribute__((vector_size(kCount * sizeof(uint16_t))));
  using SignedShorts = int16_t __attribute__((vector_size(kCount * sizeof(int16_t))));

  SCCA_INLINE static simd::uints numbered() {
    simd::uints lane;
    for (uint32_t i = 0; i < kCount; ++i) lane[i] = i;
    return lane;
  }
  SCCA_INLINE static Floats shuffled(Floats of, Ints q) {
#ifdef __clang__
    Floats result;
    for (int i = 0; i < kCount; ++i) result[i] = of[q[i] % kCount];
    return result;
#else
    return __builtin_shuffle(of, q);
#endif
  }
};

/// use(first, weights) for each register of the run's weights.
template <class Format, class F>
SCCA_INLINE void for_each_register(const uint8_t* row, int64_t run, const F& use) {
  const Format format(row, run);
  [&]<int... part>(std::integer_sequence<int, part...>) {
    (use(part * simd::kWidth, format.template weights<RegisterLanes>(part * simd::kWidth)), ...);
  }
  (std::make_integer_sequence<int, kRun / simd::kWidth>());
}

}  // namespace scca::blocks
