#include "ops/cast.h"

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dequantize.h"

namespace scca {
namespace {

Tensor converted(const Tensor& x, DType dtype) {
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  if (is_blocks(x.dtype())) {
    SCCA_ON_DEVICE(x.device(), dequantize(x, 0, 0, y));
  } else {
    SCCA_ON_DEVICE(x.device(), convert(x, y));
  }
  return y;
}

struct CastNode : Node {
  const char* name() const override { return "cast"; }
  std::vector<Tensor> backward(Tensor dy) override { return {converted(dy, from)}; }

  DType from = DType::f32;
};

}  // namespace

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = converted(x, dtype);
  if (auto node = record<CastNode>(y, {&x})) node->from = x.dtype();
  return y;
}

namespace cpu {

void convert(const Tensor& x, Tensor& y) {
  visit_float(x.dtype(), "cast", [&]<class From>() {
    visit_float(y.dtype(), "cast", [&]<class To>() {
      const From* from = x.data<From>();
      To* to = y.data<To>();
      parallel_for(x.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i)
          to[i] = static_cast<To>(static_cast<Accumulator<From>>(from[i]));
      });
    });
  });
}

}  // namespace cpu
}  // namespace scca
