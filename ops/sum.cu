#include "ops/row_team.cuh"
#include "ops/sum.h"

namespace scca::cuda {
namespace {

/// Moves n elements.
template <bool kWarp, int N, class T, class S>
__global__ void __launch_bounds__(Team<kWarp>::kBlock)
    add_piece(const T* x, int64_t n, int64_t rows, int64_t piece, S* sums) {
  using On = Team<kWarp>;
  const int64_t row = On::row();
  if (row >= rows) return;  // a whole team
  float sum = 0;
  for_each_pack<N>(std::min(n - row * piece, piece), On::thread(), On::threads(), [&]<int K>(int64_t i) {
    const Floats<K> v = load<K>(x + row * piece + i);
#pragma unroll
    for (int k = 0; k < K; ++k) sum += v.at[k];
  });
  sum = On::sum(sum);
  if (On::thread() == 0) sums[row] = from_float<S>(sum);
}

/// Moves n elements.
template <class T>
struct Spread {
  const T* dsums;
  int64_t piece;  // a multiple of a pack
  T* dx;

  template <int K>
  __device__ void operator()(int64_t i) const {
    Floats<K> d;
    const float all = to_float(dsums[i / piece]);
#pragma unroll
    for (int k = 0; k < K; ++k) d.at[k] = all;
    store(dx + i, d);
  }
};

}  // namespace

void sum_pieces(const Tensor& x, int64_t piece, Tensor& sums) {
  const int64_t rows = sums.numel();
  visit_work(x.dtype(), "sum", [&]<class T>() {
    visit_work(sums.dtype(), "sum", [&]<class S>() {
      visit_pack<kPack<T>>(aligned(x) && piece % kPack<T> == 0, [&]<int N>() {
        launch_rows<N, T>("sum", rows, piece, 0, [&]<bool kWarp>(const Launch& at, bool) {
          launch(at, add_piece<kWarp, N, T, S>, data<T>(x), x.numel(), rows, piece, data<S>(sums));
        });
      });
    });
  });
}

void spread_pieces(const Tensor& dsums, int64_t piece, Tensor& dx) {
  visit_work(dx.dtype(), "sum", [&]<class T>() {
    elementwise<kPack<T>>("sum", dx.numel(), aligned(dx) && piece % kPack<T> == 0,
                          Spread<T>{data<T>(dsums), piece, data<T>(dx)});
  });
}

}  // namespace scca::cuda
