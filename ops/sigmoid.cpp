#include "ops/sigmoid.h"

#include "core/autograd.h"
#include "core/registers.h"

namespace scca {
namespace {

struct SigmoidNode : Node {
  const char* name() const override { return "sigmoid"; }

  std::vector<Tensor> backward(Tensor dy) override {
    Tensor dx = dy.unique() ? dy.detach() : Tensor::empty(dy.shape(), dy.dtype(), dy.device());
    SCCA_ON_DEVICE(dy.device(), sigmoid_backward(y, dy, dx));
    return {dx};
  }

  Saved y{*this, "y"};
};

}  // namespace

Tensor sigmoid(Tensor x) {
  Tensor y = x.unique() ? x.detach() : Tensor::empty(x.shape(), x.dtype(), x.device());
  SCCA_ON_DEVICE(x.device(), sigmoid_forward(x, y));
  if (auto node = record<SigmoidNode>(y, {&x})) node->y = y;
  return y;
}

namespace cpu {

void sigmoid_forward(const Tensor& x, Tensor& y) {
  visit_float(x.dtype(), "sigmoid", [&]<class T>() {
    const T* xs = x.data<T>();
    T* ys = y.data<T>();
    elementwise<T>(x.numel(), [=](const auto& load, const auto& store) { store(ys, logistic(load(xs))); });
  });
}

void sigmoid_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  visit_float(y.dtype(), "sigmoid", [&]<class T>() {
    const T* ys = y.data<T>();
    const T* dys = dy.data<T>();
    T* dxs = dx.data<T>();
    elementwise<T>(y.numel(), [=](const auto& load, const auto& store) {
      const Lanes<T> s = load(ys);
      store(dxs, load(dys) * s * (Lanes<T>{} + 1.0f - s));
    });
  });
}

}  // namespace cpu
}  // namespace scca
