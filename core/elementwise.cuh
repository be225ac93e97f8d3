#pragma once
// Loads and stores 16 bytes wide, and loops of them: what kernels that memory bounds are made of.
#include "core/cuda_utils.cuh"

namespace scca::cuda {

/// Elements of T in 16 bytes, the widest load of a thread.
template <class T>
inline constexpr int kPack = static_cast<int>(16 / sizeof(T));

template <class T, int N>
struct alignas(std::min<size_t>(N * sizeof(T), 16)) Pack {
  T at[N];
};

/// N elements, as the arithmetic has them.
template <int N>
struct Floats {
  float at[N];
};

/// N elements at an address that is a multiple of their size, or of 16 bytes.
template <int N, class T>
__device__ Floats<N> load(const T* from) {
  const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N>*>(from);
  Floats<N> x;
#pragma unroll
  for (int k = 0; k < N; ++k) x.at[k] = to_float(pack.at[k]);
  return x;
}

template <int N, class T>
__device__ void store(T* to, const Floats<N>& x) {
  Pack<T, N> pack;
#pragma unroll
  for (int k = 0; k < N; ++k) pack.at[k] = from_float<T>(x.at[k]);
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

/// Calls f.template operator()<K>(i) for the elements [i, i + K) that make up [0, n): packs of K = N, then the rest one
/// by one. The caller is thread `thread` of `threads` that share them.
template <int N, class F>
__device__ void for_each_pack(int64_t n, int64_t thread, int64_t threads, const F& f) {
  const int64_t whole = n / N * N;
#pragma unroll 2  // two loads on their way; more cost registers that other threads need
  for (int64_t i = thread * N; i < whole; i += threads * N) f.template operator()<N>(i);
  if constexpr (N > 1) {
    for (int64_t i = whole + thread; i < n; i += threads) f.template operator()<1>(i);
  }
}

/// The threads of a block that has `packs` packs to go over: whole warps, no more than there is work for.
inline unsigned threads_for(int64_t packs, int64_t most = kThreads) {
  return static_cast<unsigned>(std::clamp<int64_t>((packs + 31) / 32 * 32, 32, most));
}

/// Whether tensors (the empty ones aside) begin where packs may be loaded; views of rows may not.
template <class... Tensors>
bool aligned(const Tensors&... tensors) {
  return ((!tensors || reinterpret_cast<uintptr_t>(tensors.raw()) % 16 == 0) && ...);
}

/// Calls f.template operator()<K>() with K = N where packs may be loaded, else with 1.
template <int N, class F>
void visit_pack(bool packs, F&& f) {
  if (packs) return f.template operator()<N>();
  f.template operator()<1>();
}

template <int N, class F>
__global__ void elementwise_kernel(int64_t n, F f) {
  for_each_pack<N>(n, grid_thread(), grid_size(), f);
}

/// f.template operator()<K>(i) over n elements, in packs of N where `packs`. f is a struct with pointers of its own:
///
///   template <class T> struct Add {
///     const T *a, *b; T* sum;
///     template <int K> __device__ void operator()(int64_t i) const { ... load<K>(a + i) ... store(sum + i, x); }
///   };
template <int N, class F>
void elementwise(const char* op, int64_t n, bool packs, const F& f,
                 std::source_location where = std::source_location::current()) {
  visit_pack<N>(packs, [&]<int K>() {
    launch({op, blocks_for((n + K - 1) / K), kThreads, 0, where}, elementwise_kernel<K, F>, n, f);
  });
}

}  // namespace scca::cuda
