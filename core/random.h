#pragma once
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): random numbers as a
// function of (seed, counter). The i-th number of a draw is the same on every device and for every thread
// count.
#include <array>
#include <cstdint>

#include "core/tensor.h"

namespace scca {

using Philox = std::array<uint32_t, 4>;

/// constexpr so that kernels may call it too (nvcc's relaxed constexpr).
constexpr Philox philox(uint64_t seed, uint64_t counter_low, uint64_t counter_high = 0) {
  Philox c{static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
           static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c[0], p1 = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(p0)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}

/// Outputs of philox for kPhiloxBlock successive counters, computed side by side:
/// bits[4 i + j] = philox(seed, first_counter + i, counter_high)[j].
inline constexpr int kPhiloxBlock = 256;
void philox_block(uint64_t seed, uint64_t first_counter, uint64_t counter_high, uint32_t* bits);

/// Uniform in [0, 1) with 24 bits, exact in f32.
constexpr float uniform01(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

/// The seed, and the number of draws made so far: each draw (one dropout, one initialisation) has a counter
/// of its own, and its i-th element reads philox(seed, i / 4, draw)[i % 4].
struct RandomState {
  uint64_t seed = 0, draw = 0;
  bool operator==(const RandomState&) const = default;
};

/// The state of this thread's generator. Dropout and initialisation advance it; checkpoint() and --resume
/// restore it.
RandomState random_state();
void set_random_state(RandomState state);
/// The state for one draw, and steps on to the next.
RandomState next_draw();

/// Fills a tensor on the CPU with U(low, high) / with N(0, deviation^2), as one draw.
void fill_uniform(Tensor& tensor, double low, double high);
void fill_normal(Tensor& tensor, double deviation);

}  // namespace scca
