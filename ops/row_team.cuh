#pragma once
// Kernels in which some threads share a row: a warp of a block where rows are narrow, else the whole block.
#include "core/elementwise.cuh"

namespace scca::cuda {

/// The threads that share a row. A kernel calls sum and max once each: the scratch of a block's is not free
/// for a second.
template <bool kWarp>
struct Team {
  static constexpr int kBlock = kWarp ? kThreads : kMostThreads;  // the most threads of a block
  static constexpr int kRows = kWarp ? kBlock / 32 : 1;           // its rows

  __device__ static int64_t row() {
    return static_cast<int64_t>(blockIdx.x) * kRows + (kWarp ? static_cast<int>(threadIdx.x) / 32 : 0);
  }
  __device__ static int thread() { return static_cast<int>(kWarp ? threadIdx.x % 32 : threadIdx.x); }
  __device__ static int threads() { return static_cast<int>(kWarp ? 32 : blockDim.x); }
  __device__ static float sum(float x) {
    if constexpr (kWarp) return warp_sum(x);
    __shared__ float scratch[32];
    return block_sum(x, scratch);
  }
  __device__ static float max(float x) {
    if constexpr (kWarp) return warp_max(x);
    __shared__ float scratch[32];
    return block_max(x, scratch);
  }
};

/// Launches a kernel of one team a row: f<a warp is a team>(launch, kept). `kept`: `rows_kept` rows of T for
/// each team fit into the dynamic shared memory that the launch asks for.
template <int N, class T, class F>
void launch_rows(const char* op, int64_t rows, int64_t width, size_t rows_kept, const F& f,
                 std::source_location where = std::source_location::current()) {
  constexpr size_t most_kept = 64 << 10;  // every device from 8.0 on gives a block 99 KiB
  const auto with = [&]<bool kWarp>() {
    const size_t bytes = Team<kWarp>::kRows * rows_kept * static_cast<size_t>(width) * sizeof(T);
    const bool kept = bytes <= most_kept;
    const unsigned blocks = blocks_along_x(op, (rows + Team<kWarp>::kRows - 1) / Team<kWarp>::kRows);
    f.template operator()<kWarp>(
        Launch{op, blocks, kWarp ? kThreads : threads_for(width / N, kMostThreads), kept ? bytes : 0, where},
        kept);
  };
  if (width <= 32 * 4 * N) {
    with.template operator()<true>();
  } else {
    with.template operator()<false>();
  }
}

}  // namespace scca::cuda
