#include "ops/row_team.cuh"
#include "ops/running_softmax.cuh"
#include "ops/softmax.h"

namespace scca::cuda {
namespace {

/// Moves 3 n elements, of which the second reading often comes from the L2 cache. y may be x: a thread writes
/// what it alone has read.
template <bool kWarp, int N, class T>
__global__ void __launch_bounds__(Team<kWarp>::kBlock)
    forward(const T* x, int64_t rows, int64_t width, T* y) {
  using On = Team<kWarp>;
  const int64_t row = On::row();
  if (row >= rows) return;  // a whole team
  RunningSoftmax mine;
  for_each_pack<N>(width, On::thread(), On::threads(),
                   [&]<int K>(int64_t i) { mine.add(load<K>(x + row * width + i)); });
  const float largest = On::max(mine.largest);
  const float sum = On::sum(mine.sum * expf(mine.largest - largest));
  const float factor = sum == 0 ? 0 : 1 / sum;  // 0: of -inf alone
  for_each_pack<N>(width, On::thread(), On::threads(), [&]<int K>(int64_t i) {
    Floats<K> v = load<K>(x + row * width + i);
#pragma unroll
    for (int k = 0; k < K; ++k) v.at[k] = expf(v.at[k] - largest) * factor;
    store(y + row * width + i, v);
  });
}

/// Moves 5 n elements, two of which often come from the L2 cache. dx may be dy.
template <bool kWarp, int N, class T>
__global__ void __launch_bounds__(Team<kWarp>::kBlock)
    backward(const T* y, const T* dy, int64_t rows, int64_t width, T* dx) {
  using On = Team<kWarp>;
  const int64_t row = On::row();
  if (row >= rows) return;  // a whole team
  float sum = 0;
  for_each_pack<N>(width, On::thread(), On::threads(), [&]<int K>(int64_t i) {
    const Floats<K> v = load<K>(y + row * width + i), d = load<K>(dy + row * width + i);
#pragma unroll
    for (int k = 0; k < K; ++k) sum += v.at[k] * d.at[k];
  });
  const float dot = On::sum(sum);
  for_each_pack<N>(width, On::thread(), On::threads(), [&]<int K>(int64_t i) {
    const Floats<K> v = load<K>(y + row * width + i);
    Floats<K> d = load<K>(dy + row * width + i);
#pragma unroll
    for (int k = 0; k < K; ++k) d.at[k] = v.at[k] * (d.at[k] - dot);
    store(dx + row * width + i, d);
  });
}

/// f<T, N elements a pack, a warp is a team>(launch) for the rows of x.
template <class F>
void launch_softmax(const Tensor& x, bool packs, const F& f) {
  const int64_t width = x.size(-1), rows = x.numel() / std::max<int64_t>(width, 1);
  visit_work(x.dtype(), "softmax", [&]<class T>() {
    visit_pack<kPack<T>>(packs && width % kPack<T> == 0, [&]<int N>() {
      launch_rows<N, T>("softmax", rows, width, 0, [&]<bool kWarp>(const Launch& at, bool) {
        f.template operator()<T, N, kWarp>(at, rows, width);
      });
    });
  });
}

}  // namespace

void softmax_forward(const Tensor& x, Tensor& y) {
  launch_softmax(x, aligned(x, y),
                 [&]<class T, int N, bool kWarp>(const Launch& at, int64_t rows, int64_t width) {
                   launch(at, forward<kWarp, N, T>, data<T>(x), rows, width, data<T>(y));
                 });
}

void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  launch_softmax(y, aligned(y, dy, dx),
                 [&]<class T, int N, bool kWarp>(const Launch& at, int64_t rows, int64_t width) {
                   launch(at, backward<kWarp, N, T>, data<T>(y), data<T>(dy), rows, width, data<T>(dx));
                 });
}

}  // namespace scca::cuda
