#include <cmath>

#include "core/elementwise.cuh"
#include "ops/dropout.h"

namespace scca::cuda {
namespace {

/// Moves 2 n elements, and draws ten rounds of Philox for every four: in bf16 the arithmetic may well take longer than
/// the memory. y may be x.
template <class T>
struct Mask {
  const T* x;
  uint32_t dropped_below;  // uniform01(bits) < p, as integers
  float scale;
  RandomState draw;
  T* y;

  template <int K>
  __device__ void operator()(int64_t i) const {
    Floats<K> v = load<K>(x + i);
#pragma unroll
    for (int group = 0; group < K; group += 4) {
      const Philox bits = philox(draw.seed, static_cast<uint64_t>((i + group) / 4), draw.draw);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const bool dropped = bits[j] >> 8 < dropped_below;
        if constexpr (K == 1) {  // of a group's four, the one that is i
          if (i % 4 == j) v.at[0] = dropped ? 0 : v.at[0] * scale;
        } else {
          v.at[group + j] = dropped ? 0 : v.at[group + j] * scale;
        }
      }
    }
    store(y + i, v);
  }
};

}  // namespace

void dropout_mask(const Tensor& x, double p, RandomState draw, Tensor& y) {
  const auto dropped_below = static_cast<uint32_t>(std::ceil(p * 0x1p24));
  const auto scale = static_cast<float>(1 / (1 - p));
  visit_work(x.dtype(), "dropout", [&]<class T>() {
    elementwise<kPack<T>>("dropout", x.numel(), aligned(x, y),
                          Mask<T>{data<T>(x), dropped_below, scale, draw, data<T>(y)});
  });
}

}  // namespace scca::cuda
