#pragma once
// Sums over the rows of a tensor, column by column, with the same bits for any number of threads or blocks:
// first within groups of rows, in the rows' order, then over the groups in theirs.
#include "core/tensor.h"

namespace scca {

/// How many rows a group has: by the rows and the device alone.
int64_t row_group(int64_t rows, Device device);

/// Where a kernel sums the groups of x [..., D]: [groups, D], in f32 (f64 for f64).
Tensor row_group_sums(const Tensor& x);

/// sum[i] = the sum over the groups of parts [groups, width], in their order.
template <class A, class T>
void add_row_groups(const A* parts, int64_t groups, int64_t width, T* sum) {
  for (int64_t i = 0; i < width; ++i) {
    A total = 0;
    for (int64_t g = 0; g < groups; ++g) total += parts[g * width + i];
    sum[i] = static_cast<T>(total);
  }
}

}  // namespace scca
