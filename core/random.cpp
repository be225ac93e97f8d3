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

void fill_uniform(Tensor& tensor, double low, double high) {
  const RandomState draw = next_draw();
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
