#include "core/elementwise.cuh"
#include "ops/sigmoid.h"

namespace scca::cuda {
namespace {

/// Moves 2 n elements. y may be x.
template <class T>
struct Forward {
  const T* x;
  T* y;

  template <int K>
  __device__ void operator()(int64_t i) const {
    Floats<K> v = load<K>(x + i);
#pragma unroll
    for (int k = 0; k < K; ++k) v.at[k] = 1 / (1 + expf(-v.at[k]));
    store(y + i, v);
  }
};

/// Moves 3 n elements. dx may be dy.
template <class T>
struct Backward {
  const T *y, *dy;
  T* dx;

  template <int K>
  __device__ void operator()(int64_t i) const {
    const Floats<K> s = load<K>(y + i);
    Floats<K> d = load<K>(dy + i);
#pragma unroll
    for (int k = 0; k < K; ++k) d.at[k] *= s.at[k] * (1 - s.at[k]);
    store(dx + i, d);
  }
};

}  // namespace

void sigmoid_forward(const Tensor& x, Tensor& y) {
  visit_work(x.dtype(), "sigmoid", [&]<class T>() {
    elementwise<kPack<T>>("sigmoid", x.numel(), aligned(x, y), Forward<T>{data<T>(x), data<T>(y)});
  });
}

void sigmoid_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  visit_work(y.dtype(), "sigmoid", [&]<class T>() {
    elementwise<kPack<T>>("sigmoid", y.numel(), aligned(y, dy, dx),
                          Backward<T>{data<T>(y), data<T>(dy), data<T>(dx)});
  });
}

}  // namespace scca::cuda
