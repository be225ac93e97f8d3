#include "ops/mul.h"
#include "ops/row_team.cuh"

namespace scca::cuda {
namespace {

/// Moves 3 n elements. y may be a or b.
template <class T>
struct Multiply {
  const T *a, *b;
  T* y;

  template <int K>
  __device__ void operator()(int64_t i) const {
    Floats<K> x = load<K>(a + i);
    const Floats<K> factor = load<K>(b + i);
#pragma unroll
    for (int k = 0; k < K; ++k) x.at[k] *= factor.at[k];
    store(y + i, x);
  }
};

/// A factor for each row. Moves 2 n elements. y may be a.
template <class T>
struct MultiplyRows {
  const T *a, *b;
  int64_t width;  // a multiple of a pack
  T* y;

  template <int K>
  __device__ void operator()(int64_t i) const {
    Floats<K> x = load<K>(a + i);
    const float factor = to_float(b[i / width]);
#pragma unroll
    for (int k = 0; k < K; ++k) x.at[k] *= factor;
    store(y + i, x);
  }
};

/// Moves 2 n elements.
template <bool kWarp, int N, class T>
__global__ void __launch_bounds__(Team<kWarp>::kBlock)
    dots(const T* a, const T* b, int64_t rows, int64_t width, T* y) {
  using On = Team<kWarp>;
  const int64_t row = On::row();
  if (row >= rows) return;  // a whole team
  float sum = 0;
  for_each_pack<N>(width, On::thread(), On::threads(), [&]<int K>(int64_t i) {
    const Floats<K> x = load<K>(a + row * width + i), z = load<K>(b + row * width + i);
#pragma unroll
    for (int k = 0; k < K; ++k) sum += x.at[k] * z.at[k];
  });
  sum = On::sum(sum);
  if (On::thread() == 0) y[row] = from_float<T>(sum);
}

}  // namespace

void multiply(const Tensor& a, const Tensor& b, Tensor& y) {
  visit_work(a.dtype(), "mul", [&]<class T>() {
    if (a.shape() == b.shape()) {
      elementwise<kPack<T>>("mul", a.numel(), aligned(a, b, y),
                            Multiply<T>{data<T>(a), data<T>(b), data<T>(y)});
      return;
    }
    const int64_t width = a.size(-1);
    elementwise<kPack<T>>("mul", a.numel(), aligned(a, y) && width % kPack<T> == 0,
                          MultiplyRows<T>{data<T>(a), data<T>(b), width, data<T>(y)});
  });
}

void row_dots(const Tensor& a, const Tensor& b, Tensor& y) {
  const int64_t rows = y.numel(), width = a.size(-1);
  visit_work(a.dtype(), "mul", [&]<class T>() {
    visit_pack<kPack<T>>(aligned(a, b) && width % kPack<T> == 0, [&]<int N>() {
      launch_rows<N, T>("mul", rows, width, 0, [&]<bool kWarp>(const Launch& at, bool) {
        launch(at, dots<kWarp, N, T>, data<T>(a), data<T>(b), rows, width, data<T>(y));
      });
    });
  });
}

}  // namespace scca::cuda
