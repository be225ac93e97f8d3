#include "core/elementwise.cuh"
#include "ops/cast.h"

namespace scca::cuda {
namespace {

/// Moves n elements of either type: 6 n bytes between f32 and bf16.
template <class From, class To>
struct Convert {
  const From* x;
  To* y;

  template <int K>
  __device__ void operator()(int64_t i) const {
    store(y + i, load<K>(x + i));
  }
};

}  // namespace

void convert(const Tensor& x, Tensor& y) {
  visit_work(x.dtype(), "cast", [&]<class From>() {
    visit_work(y.dtype(), "cast", [&]<class To>() {
      elementwise<std::max(kPack<From>, kPack<To>)>("cast", x.numel(), aligned(x, y),
                                                    Convert<From, To>{data<From>(x), data<To>(y)});
    });
  });
}

}  // namespace scca::cuda
