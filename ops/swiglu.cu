#include "core/elementwise.cuh"
#include "ops/swiglu.h"

namespace scca::cuda {
namespace {

__device__ float sigmoid(float g) { return 1 / (1 + expf(-g)); }

/// Moves 3 n elements. y may be gate.
template <class T>
struct Forward {
  const T *gate, *up;
  T* y;

  template <int K>
  __device__ void operator()(int64_t i) const {
    Floats<K> g = load<K>(gate + i);
    const Floats<K> u = load<K>(up + i);
#pragma unroll
    for (int k = 0; k < K; ++k) g.at[k] = g.at[k] * sigmoid(g.at[k]) * u.at[k];
    store(y + i, g);
  }
};

/// With s = sigmoid(gate):  dup = dy gate s,  dgate = dy up s (1 + gate (1 - s)). Moves 5 n elements where both are
/// wanted. All is read before anything is written; where dgate is not wanted, up was not saved.
template <class T>
struct Backward {
  const T *gate, *up, *dy;
  T *dgate, *dup;

  template <int K>
  __device__ void operator()(int64_t i) const {
    const Floats<K> g = load<K>(gate + i), d = load<K>(dy + i), u = dgate ? load<K>(up + i) : Floats<K>{};
    Floats<K> to_gate, to_up;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const float s = sigmoid(g.at[k]);
      to_gate.at[k] = d.at[k] * u.at[k] * s * (1 + g.at[k] * (1 - s));
      to_up.at[k] = d.at[k] * g.at[k] * s;
    }
    if (dgate) store(dgate + i, to_gate);
    if (dup) store(dup + i, to_up);
  }
};

}  // namespace

void swiglu_forward(const Tensor& gate, const Tensor& up, Tensor& y) {
  visit_work(gate.dtype(), "swiglu", [&]<class T>() {
    elementwise<kPack<T>>("swiglu", y.numel(), aligned(gate, up, y),
                          Forward<T>{data<T>(gate), data<T>(up), data<T>(y)});
  });
}

void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dy, Tensor& dgate, Tensor& dup) {
  visit_work(gate.dtype(), "swiglu", [&]<class T>() {
    elementwise<kPack<T>>("swiglu", dy.numel(), aligned(gate, up, dy, dgate, dup),
                          Backward<T>{data<T>(gate), data<T>(up), data<T>(dy), data<T>(dgate), data<T>(dup)});
  });
}

}  // namespace scca::cuda
