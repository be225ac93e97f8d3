#include "core/elementwise.cuh"
#include "ops/rope.h"

namespace scca::cuda {
namespace {

struct Sizes {
  int64_t tokens, first_position;
  int heads, half;  // of a token; of a head
};

/// One token a block. Moves 2 n elements: the heads of a token share their row of the table, in the nearest
/// cache. A thread reads both halves of what it turns before it writes either, so y may be x.
template <int N, class T>
__global__ void rotate(const T* x, const float* cos, const float* sin, float direction, Sizes sizes, T* y) {
  const int half = sizes.half;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * sizes.heads * half * 2;
  const int64_t turn = (sizes.first_position + blockIdx.x % sizes.tokens) * half;
  for (int i = static_cast<int>(threadIdx.x) * N; i < sizes.heads * half;
       i += static_cast<int>(blockDim.x) * N) {
    const int64_t low = row + i / half * half * 2 + i % half, high = low + half;
    const Floats<N> c = load<N>(cos + turn + i % half), s = load<N>(sin + turn + i % half);
    const Floats<N> a = load<N>(x + low), b = load<N>(x + high);
    Floats<N> p, q;
#pragma unroll
    for (int k = 0; k < N; ++k) {
      p.at[k] = a.at[k] * c.at[k] - b.at[k] * (direction * s.at[k]);
      q.at[k] = b.at[k] * c.at[k] + a.at[k] * (direction * s.at[k]);
    }
    store(y + low, p);
    store(y + high, q);
  }
}

}  // namespace

void rope_rotate(const Tensor& x, const RopeTable& table, int64_t first_position, int direction, Tensor& y) {
  visit_work(x.dtype(), "rope", [&]<class T>() {
    const Sizes sizes{x.size(1), first_position, static_cast<int>(x.size(2)),
                      static_cast<int>(x.size(3) / 2)};
    visit_pack<kPack<T>>(sizes.half % kPack<T> == 0 && aligned(x, table.cos, table.sin, y), [&]<int N>() {
      launch(
          {"rope", blocks_along_x("rope", x.size(0) * x.size(1)), threads_for(sizes.heads * sizes.half / N)},
          rotate<N, T>, data<T>(x), data<float>(table.cos), data<float>(table.sin),
          static_cast<float>(direction), sizes, data<T>(y));
    });
  });
}

}  // namespace scca::cuda
