#include "ops/slice.h"

#include "core/autograd.h"
#include "ops/columns.h"

namespace scca {
namespace {

struct SliceNode : Node {
  const char* name() const override { return "slice"; }

  std::vector<Tensor> backward(Tensor dy) override {
    Tensor dx = Tensor::zeros(of, dy.dtype(), dy.device());
    SCCA_ON_DEVICE(dy.device(),
                   copy_columns(dy, {columns, 0}, dx, {view.size * view.inner, begin}, view.outer, columns));
    return {dx};
  }

  Shape of;
  AxisView view;
  int64_t begin = 0, columns = 0;
};

}  // namespace

Tensor slice(const Tensor& x, int64_t axis, int64_t begin, int64_t count) {
  const AxisView view = view_along("slice", x.shape(), axis);
  SCCA_CHECK(begin >= 0 && count >= 0 && begin <= view.size - count, "slice: ", count, " places from ", begin,
             " along axis ", axis, " of ", to_string(x.shape()), ", which has ", view.size);
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis < 0 ? axis + x.rank() : axis)] = count;
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  const int64_t first = begin * view.inner, columns = count * view.inner;
  SCCA_ON_DEVICE(x.device(),
                 copy_columns(x, {view.size * view.inner, first}, y, {columns, 0}, view.outer, columns));
  if (auto node = record<SliceNode>(y, {&x})) {
    node->of = x.shape();
    node->view = view;
    node->begin = first;
    node->columns = columns;
  }
  return y;
}

}  // namespace scca
