#include "ops/dropout.h"

#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"

namespace scca {
namespace {

/// In place where nobody else holds x.
Tensor masked(const Tensor& x, double p, RandomState draw) {
  Tensor y = x.unique() ? x.detach() : Tensor::empty(x.shape(), x.dtype(), x.device());
  SCCA_ON_DEVICE(x.device(), dropout_mask(x, p, draw, y));
  return y;
}

struct DropoutNode : Node {
  const char* name() const override { return "dropout"; }
  std::vector<Tensor> backward(Tensor dy) override { return {masked(dy, p, draw)}; }

  Saved x{*this, "x"};
  double p = 0;
  RandomState draw;
};

}  // namespace

Tensor dropout(Tensor x, double p) {
  SCCA_CHECK(p >= 0 && p < 1, "dropout: probability ", p, ", expected one in [0, 1)");
  const RandomState draw = next_draw();
  Tensor y = masked(x, p, draw);
  if (auto node = record<DropoutNode>(y, {&x})) {
    node->p = p;
    node->draw = draw;
    if (can_remake(x)) {
      node->x = x;
      node->remake = [n = node.get()] {
        const Tensor input = n->x;  // a second handle, so that x is not written
        return masked(input, n->p, n->draw);
      };
    }
  }
  return y;
}

namespace cpu {
namespace {

constexpr int64_t kBlock = 4 * kPhiloxBlock;  // elements whose random bits lie on the stack

/// `first` is a multiple of kBlock, n <= kBlock.
template <class T>
void mask_block(const T* x, int64_t first, int64_t n, uint32_t dropped_below, Accumulator<T> scale,
                RandomState draw, T* y) {
  uint32_t bits[kBlock];
  philox_block(draw.seed, static_cast<uint64_t>(first / 4), draw.draw, bits);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const Accumulator<T> kept = static_cast<Accumulator<T>>(x[first + i]) * scale;
    y[first + i] = static_cast<T>(bits[i] >> 8 < dropped_below ? Accumulator<T>(0) : kept);
  }
}

}  // namespace

void dropout_mask(const Tensor& x, double p, RandomState draw, Tensor& y) {
  // uniform01(bits) < p, as integers
  const auto dropped_below = static_cast<uint32_t>(std::ceil(p * 0x1p24));
  visit_float(x.dtype(), "dropout", [&]<class T>() {
    const auto scale = static_cast<Accumulator<T>>(1 / (1 - p));
    const int64_t n = x.numel();
    const T* xs = x.data<T>();
    T* ys = y.data<T>();
    parallel_for((n + kBlock - 1) / kBlock, 1, [=](int64_t begin, int64_t end) {
      for (int64_t first = begin * kBlock; first < std::min(n, end * kBlock); first += kBlock)
        mask_block(xs, first, std::min(kBlock, n - first), dropped_below, scale, draw, ys);
    });
  });
}

}  // namespace cpu
}  // namespace scca
