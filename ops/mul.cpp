#include "ops/mul.h"

#include <algorithm>

#include "core/autograd.h"
#include "core/registers.h"

namespace scca {
namespace {

struct MulNode : Node {
  const char* name() const override { return "mul"; }

  /// What is dead after this gives its memory to the gradients: db is made before dy is overwritten.
  std::vector<Tensor> backward(Tensor dy) override {
    Tensor da, db;
    if (wants(1) && factor_per_row) {
      Shape shape = dy.shape();
      shape.back() = 1;
      db = Tensor::empty(shape, dy.dtype(), dy.device());
      SCCA_ON_DEVICE(dy.device(), row_dots(dy, a, db));
    } else if (wants(1)) {
      db = reuse(a);
      SCCA_ON_DEVICE(dy.device(), multiply(dy, a, db));
    }
    if (wants(0)) {
      da = reuse(dy);
      SCCA_ON_DEVICE(dy.device(), multiply(dy, b, da));
    }
    return {da, db};
  }

  static Tensor reuse(const Tensor& dead) {
    return dead.unique() ? dead.detach() : Tensor::empty(dead.shape(), dead.dtype(), dead.device());
  }

  Saved a{*this, "a"}, b{*this, "b"};
  bool factor_per_row = false;
};

bool is_factor_per_row(const Tensor& a, const Tensor& b) {
  if (a.rank() < 1 || a.rank() != b.rank()) return false;
  return b.size(-1) == 1 && std::equal(a.shape().begin(), a.shape().end() - 1, b.shape().begin());
}

}  // namespace

Tensor mul(Tensor a, const Tensor& b) {
  const bool alike = a.shape() == b.shape();
  SCCA_CHECK((alike || is_factor_per_row(a, b)) && a.dtype() == b.dtype(), "mul: ", to_string(a.shape()), " ",
             name_of(a.dtype()), " and ", to_string(b.shape()), " ", name_of(b.dtype()),
             "; expected one dtype, and one shape or a last size of 1 in the second");
  const bool in_place = a.unique() && !(grad_enabled() && (a.requires_grad() || b.requires_grad()));
  Tensor y = in_place ? a.detach() : Tensor::empty(a.shape(), a.dtype(), a.device());
  SCCA_ON_DEVICE(a.device(), multiply(a, b, y));
  if (auto node = record<MulNode>(y, {&a, &b})) {
    if (node->wants(0)) node->b = b;
    if (node->wants(1)) node->a = a;
    node->factor_per_row = !alike;
  }
  return y;
}

namespace cpu {

void multiply(const Tensor& a, const Tensor& b, Tensor& y) {
  visit_float(a.dtype(), "mul", [&]<class T>() {
    const T* as = a.data<T>();
    const T* bs = b.data<T>();
    T* ys = y.data<T>();
    if (a.shape() == b.shape()) {
      elementwise<T>(a.numel(), [=](const auto& load, const auto& store) { store(ys, load(as) * load(bs)); });
      return;
    }
    for_each_row_part(a.numel(), a.size(-1), [=](int64_t row, int64_t begin, int64_t end) {
      const auto factor = static_cast<Accumulator<T>>(bs[row]);
      for_each_register<T>(begin, end,
                           [=](const auto& load, const auto& store) { store(ys, load(as) * factor); });
    });
  });
}

void row_dots(const Tensor& a, const Tensor& b, Tensor& y) {
  visit_float(a.dtype(), "mul", [&]<class T>() {
    const T* as = a.data<T>();
    const T* bs = b.data<T>();
    T* ys = y.data<T>();
    const int64_t width = a.size(-1);
    for_each_row(y.numel(), width, [=](int64_t row) {
      Lanes<T> sum{};
      for_each_register<T>(row * width, (row + 1) * width,
                           [&](const auto& load, const auto&) { sum += load(as) * load(bs); });
      ys[row] = static_cast<T>(lanes_sum(sum));
    });
  });
}

}  // namespace cpu
}  // namespace scca
