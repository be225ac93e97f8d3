#include "ops/concatenate.h"

#include "core/autograd.h"
#include "ops/columns.h"

namespace scca {
namespace {

struct ConcatenateNode : Node {
  const char* name() const override { return "concatenate"; }

  std::vector<Tensor> backward(Tensor dy) override {
    std::vector<Tensor> grads;
    const int64_t width = dy.numel() / std::max<int64_t>(outer, 1);
    int64_t begin = 0;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const int64_t columns = numel(shapes[i]) / std::max<int64_t>(outer, 1);
      grads.emplace_back();
      if (wants(i)) {
        grads[i] = Tensor::empty(shapes[i], dy.dtype(), dy.device());
        SCCA_ON_DEVICE(dy.device(), copy_columns(dy, {width, begin}, grads[i], {columns, 0}, outer, columns));
      }
      begin += columns;
    }
    return grads;
  }

  std::vector<Shape> shapes;
  int64_t outer = 1;
};

/// The size that all parts have together along the dimension `at`.
int64_t size_along(const std::vector<Tensor>& parts, size_t at, int64_t axis) {
  int64_t size = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    Shape but_for = parts[i].shape(), first = parts[0].shape();
    const bool same_rank = but_for.size() == first.size();
    if (same_rank) {
      size += but_for[at];
      but_for[at] = first[at];
    }
    SCCA_CHECK(but_for == first && parts[i].dtype() == parts[0].dtype(), "concatenate: part ", i, " is ",
               to_string(parts[i].shape()), " ", name_of(parts[i].dtype()), ", part 0 is ", to_string(first),
               " ", name_of(parts[0].dtype()), "; they may differ in their size along axis ", axis, " alone");
  }
  return size;
}

}  // namespace

Tensor concatenate(const std::vector<Tensor>& parts, int64_t axis) {
  SCCA_CHECK(!parts.empty(), "concatenate: no parts, expected one or more");
  Shape shape = parts[0].shape();
  const AxisView first = view_along("concatenate", shape, axis);
  const auto at = static_cast<size_t>(axis < 0 ? axis + parts[0].rank() : axis);
  shape[at] = size_along(parts, at, axis);
  const int64_t width = shape[at] * first.inner;
  Tensor y = Tensor::empty(shape, parts[0].dtype(), parts[0].device());
  std::vector<const Tensor*> inputs;
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    const int64_t columns = part.shape()[at] * first.inner;
    SCCA_ON_DEVICE(y.device(), copy_columns(part, {columns, 0}, y, {width, begin}, first.outer, columns));
    begin += columns;
    inputs.push_back(&part);
  }
  if (auto node = record<ConcatenateNode>(y, inputs)) {
    for (const Tensor& part : parts) node->shapes.push_back(part.shape());
    node->outer = first.outer;
  }
  return y;
}

}  // namespace scca
