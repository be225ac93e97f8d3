#include "ops/row_groups.h"

#include <algorithm>

namespace scca {

int64_t row_group(int64_t rows, Device device) {
  if (device == Device::cpu) return 128;
  // few enough for many blocks, but no more groups than their own sum is quick for
  return std::max<int64_t>(32, (rows + 255) / 256);
}

Tensor row_group_sums(const Tensor& x) {
  const int64_t width = x.size(-1), rows = x.numel() / std::max<int64_t>(width, 1);
  const int64_t group = row_group(rows, x.device());
  return Tensor::empty({(rows + group - 1) / group, width}, x.dtype() == DType::f64 ? DType::f64 : DType::f32,
                       x.device());
}

}  // namespace scca
