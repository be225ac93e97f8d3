#include "core/elementwise.cuh"
#include "ops/columns.h"

namespace scca::cuda {
namespace {

/// Moves 2 n bytes, in units of U, which all places are multiples of.
template <class U>
__global__ void copy_units(const U* from, int64_t from_width, U* to, int64_t to_width, int64_t rows,
                           int64_t count) {
  for (int64_t i = grid_thread(); i < rows * count; i += grid_size()) {
    const int64_t row = i / count, column = i - row * count;
    to[row * to_width + column] = from[row * from_width + column];
  }
}

}  // namespace

void copy_columns(const Tensor& from, Columns at_from, Tensor& to, Columns at_to, int64_t rows,
                  int64_t count) {
  const auto bytes = static_cast<int64_t>(size_of(from.dtype()));
  const std::byte* source = from.raw() + at_from.begin * bytes;
  std::byte* target = to.raw() + at_to.begin * bytes;
  const auto in_units = [&]<class U>() {
    constexpr int64_t unit = sizeof(U);
    for (const int64_t place : {at_from.width * bytes, at_to.width * bytes, count * bytes,
                                static_cast<int64_t>(reinterpret_cast<uintptr_t>(source)),
                                static_cast<int64_t>(reinterpret_cast<uintptr_t>(target))})
      if (place % unit != 0) return false;
    launch({"copy_columns", blocks_for(rows * count * bytes / unit), kThreads}, copy_units<U>,
           reinterpret_cast<const U*>(source), at_from.width * bytes / unit, reinterpret_cast<U*>(target),
           at_to.width * bytes / unit, rows, count * bytes / unit);
    return true;
  };
  in_units.operator()<uint4>() || in_units.operator()<uint32_t>() || in_units.operator()<uint16_t>();
}

}  // namespace scca::cuda
