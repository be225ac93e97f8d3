#include "core/random.h"

#include <cmath>
#include <numbers>

#include "core/dispatch.h"
#include "core/parallel.h"

namespace scca {
namespace {
thread_local RandomState current;
}

RandomState random_state() { return current; }
void set_random_state(RandomState state) { current = state; }
RandomState next_draw() {
  const RandomState draw = current;
  ++current.draw;
  return draw;
}

void philox_block(uint64_t seed, uint64_t first_counter, uint64_t counter_high, uint32_t* bits) {
  constexpr int n = kPhiloxBlock;  // the loops below are vectorised because their count is a constant
  uint32_t c0[n], c1[n], c2[n], c3[n];
  for (int i = 0; i < n; ++i) {
    const uint64_t counter = first_counter + static_cast<uint64_t>(i);
    c0[i] = static_cast<uint32_t>(counter);
    c1[i] = static_cast<uint32_t>(counter >> 32);
    c2[i] = static_cast<uint32_t>(counter_high);
    c3[i] = static_cast<uint32_t>(counter_high >> 32);
  }
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < n; ++i) {
      const uint32_t a = c0[i], b = c2[i];
      c0[i] = static_cast<uint32_t>((uint64_t{0xCD9E8D57u} * b) >> 32) ^ c1[i] ^ key0;
      c2[i] = static_cast<uint32_t>((uint64_t{0xD2511F53u} * a) >> 32) ^ c3[i] ^ key1;
      c1[i] = 0xCD9E8D57u * b;
      c3[i] = 0xD2511F53u * a;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int i = 0; i < n; ++i) {
    bits[4 * i] = c0[i];
    bits[4 * i + 1] = c1[i];
    bits[4 * i + 2] = c2[i];
    bits[4 * i + 3] = c3[i];
  }
}

void fill_uniform(Tensor& tensor, double low, double high) {
  const RandomState draw = next_draw();
  if (!tensor.has_values()) return;
  visit_float(tensor.dtype(), "fill_uniform", [&]<class T>() {
    T* out = tensor.data<T>();
    parallel_for(tensor.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const double u =
            uniform01(philox(draw.seed, static_cast<uint64_t>(i / 4), draw.draw)[static_cast<size_t>(i % 4)]);
        out[i] = static_cast<T>(low + (high - low) * u);
      }
    });
  });
}

void fill_normal(Tensor& tensor, double deviation) {
  const RandomState draw = next_draw();
  if (!tensor.has_values()) return;
  visit_float(tensor.dtype(), "fill_normal", [&]<class T>() {
    T* out = tensor.data<T>();
    parallel_for(tensor.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {  // Box and Muller (1958): two uniforms make one normal
        const Philox r = philox(draw.seed, static_cast<uint64_t>(i), draw.draw);
        const double u = (r[0] + 1.0) * 0x1p-32;  // in (0, 1]: the logarithm is finite
        out[i] = static_cast<T>(deviation * std::sqrt(-2.0 * std::log(u)) *
                                std::cos(2.0 * std::numbers::pi * r[1] * 0x1p-32));
      }
    });
  });
}

}  // namespace scca
