#pragma once
// From columns of one matrix into columns of another: what slice and concatenate are made of.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// A tensor as rows around one of its dimensions: [outer, size * inner], the elements of one place along it
/// being `inner` neighbours.
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
};
/// Throws Error, naming `op`, unless axis is a dimension of `shape`; negative ones count from the last, -1.
AxisView view_along(const char* op, const Shape& shape, int64_t axis);

/// Where columns lie: from `begin` on, in rows of `width`.
struct Columns {
  int64_t width, begin;
};

/// `count` columns of each of `rows`, of tensors of one dtype, whichever it is.
SCCA_KERNELS(void copy_columns(const Tensor& from, Columns at_from, Tensor& to, Columns at_to, int64_t rows,
                               int64_t count);)

}  // namespace scca
