#pragma once
// The second half of a sum over rows (ops/row_groups.h).
#include "core/elementwise.cuh"

namespace scca::cuda {

template <class T>
__global__ void sum_groups(const float* partial, int64_t groups, int64_t width, T* sum) {
  const int64_t column = grid_thread();
  if (column >= width) return;
  float total = 0;
#pragma unroll 8
  for (int64_t g = 0; g < groups; ++g) total += partial[g * width + column];
  sum[column] = from_float<T>(total);
}

/// The blocks of a kernel in which a thread sums a pack of N columns and groups go down the grid.
inline Launch groups_launch(const char* op, int64_t groups, int64_t packs,
                            std::source_location where = std::source_location::current()) {
  const unsigned threads = threads_for(packs, 128);
  const auto blocks = static_cast<unsigned>((packs + threads - 1) / threads);
  return {op, {blocks, static_cast<unsigned>(groups)}, threads, 0, where};
}

}  // namespace scca::cuda
