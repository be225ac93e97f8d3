#include "ops/linear.h"

#include "core/autograd.h"
#include "ops/matmul.h"

namespace scca {
namespace {

Tensor as_rows(const Tensor& x) { return x.reshape({-1, x.size(-1)}); }

void check_shapes(const char* op, const Tensor& x, const Tensor& weight) {
  SCCA_CHECK(weight.rank() == 2 && x.rank() >= 1 && x.size(-1) == weight.size(1), op, ": x is ",
             to_string(x.shape()), ", weight is ", to_string(weight.shape()),
             "; x's last size must be weight's second");
  SCCA_CHECK(x.dtype() == weight.dtype() || is_blocks(weight.dtype()), op, ": x is ", name_of(x.dtype()),
             ", weight is ", name_of(weight.dtype()), "; cast the weight first");
}

/// dx = s dy W, dW = s dy^T x.
struct LinearNode : Node {
  const char* name() const override { return "linear"; }

  std::vector<Tensor> backward(Tensor grad) override {
    const Tensor dy = as_rows(grad);
    Tensor dx, dw;
    if (wants(0)) {
      dx = Tensor::empty(x_shape, dy.dtype(), dy.device());
      Tensor rows = as_rows(dx);
      matmul_into(dy, weight, rows, {.scale = scale});
    }
    if (wants(1)) {
      dw = Tensor::empty({dy.size(1), x_shape.back()}, dy.dtype(), dy.device());
      matmul_into(dy, as_rows(x), dw, {.transpose_a = true, .scale = scale});
    }
    std::vector<Tensor> grads{dx, dw};
    if (edges.size() == 3) grads.push_back(wants(2) ? std::move(grad) : Tensor());
    return grads;
  }

  Saved x{*this, "x"}, weight{*this, "weight"};
  Shape x_shape;
  double scale = 1;
};

Tensor finish(Tensor y, const std::shared_ptr<LinearNode>& node, const Tensor& x, const Tensor& weight,
              double scale) {
  if (node) {
    node->x_shape = x.shape();
    node->scale = scale;
    if (node->wants(0)) node->weight = weight;
    if (node->wants(1)) node->x = x;
  }
  return y;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight) {
  check_shapes("linear", x, weight);
  Shape shape = x.shape();
  shape.back() = weight.size(0);
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  Tensor rows = as_rows(y);
  matmul_into(as_rows(x), weight, rows, {.transpose_b = true});
  auto node = record<LinearNode>(y, {&x, &weight});
  return finish(std::move(y), node, x, weight, 1);
}

Tensor linear_add(Tensor base, const Tensor& x, const Tensor& weight, double scale) {
  check_shapes("linear_add", x, weight);
  SCCA_CHECK(base.size(-1) == weight.size(0) && base.numel() / base.size(-1) == x.numel() / x.size(-1) &&
                 base.dtype() == x.dtype(),
             "linear_add: base is ", to_string(base.shape()), " ", name_of(base.dtype()), ", x is ",
             to_string(x.shape()), " ", name_of(x.dtype()), ", weight is ", to_string(weight.shape()));
  Tensor y = base.unique() ? base.detach() : base.detach().clone();
  Tensor rows = as_rows(y);
  matmul_into(as_rows(x), weight, rows, {.transpose_b = true, .scale = scale, .accumulate = true});
  auto node = record<LinearNode>(y, {&x, &weight, &base});
  return finish(std::move(y), node, x, weight, scale);
}

}  // namespace scca
