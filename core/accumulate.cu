#include "core/accumulate.h"
#include "core/elementwise.cuh"

namespace scca::cuda {
namespace {

/// Moves 3 n elements.
template <class T>
struct Add {
  const T *a, *b;
  T* sum;

  template <int K>
  __device__ void operator()(int64_t i) const {
    Floats<K> x = load<K>(a + i);
    const Floats<K> y = load<K>(b + i);
#pragma unroll
    for (int k = 0; k < K; ++k) x.at[k] += y.at[k];
    store(sum + i, x);
  }
};

}  // namespace

void add_out_of_place(const Tensor& a, const Tensor& b, Tensor& sum) {
  visit_work(sum.dtype(), "accumulate", [&]<class T>() {
    elementwise<kPack<T>>("accumulate", sum.numel(), aligned(a, b, sum), Add<T>{data<T>(a), data<T>(b), data<T>(sum)});
  });
}

void add_in_place(Tensor& sum, const Tensor& term) { add_out_of_place(sum, term, sum); }

}  // namespace scca::cuda
