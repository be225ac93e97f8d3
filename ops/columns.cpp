#include "ops/columns.h"

#include <cstring>

#include "core/registers.h"

namespace scca {

AxisView view_along(const char* op, const Shape& shape, int64_t axis) {
  const auto rank = static_cast<int64_t>(shape.size());
  SCCA_CHECK(axis >= -rank && axis < rank, op, ": axis ", axis, " of ", to_string(shape),
             rank == 0 ? "; a scalar has none" : concat(", expected ", -rank, " to ", rank - 1));
  const auto at = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  AxisView view;
  view.size = shape[at];
  for (size_t i = 0; i < shape.size(); ++i) (i < at ? view.outer : view.inner) *= i == at ? 1 : shape[i];
  return view;
}

namespace cpu {

void copy_columns(const Tensor& from, Columns at_from, Tensor& to, Columns at_to, int64_t rows,
                  int64_t count) {
  const auto bytes = static_cast<int64_t>(size_of(from.dtype()));
  const std::byte* source = from.raw() + at_from.begin * bytes;
  std::byte* target = to.raw() + at_to.begin * bytes;
  for_each_row_part(rows * count, count, [=](int64_t row, int64_t begin, int64_t end) {
    const int64_t column = begin - row * count;
    std::memcpy(target + (row * at_to.width + column) * bytes,
                source + (row * at_from.width + column) * bytes, static_cast<size_t>((end - begin) * bytes));
  });
}

}  // namespace cpu
}  // namespace scca
