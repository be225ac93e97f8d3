#include "ops/swiglu.h"

#include "core/autograd.h"
#include "core/registers.h"

namespace scca {
namespace {

struct SwigluNode : Node {
  const char* name() const override { return "swiglu"; }

  /// The saved inputs and dy are dead after this, so their memory becomes that of the gradients.
  std::vector<Tensor> backward(Tensor dy) override {
    const auto reuse = [](const Tensor& dead) {
      return dead.unique() ? dead.detach() : Tensor::empty(dead.shape(), dead.dtype(), dead.device());
    };
    Tensor dgate, dup;
    if (wants(0)) dgate = reuse(gate);
    if (wants(1)) dup = reuse(dy);
    SCCA_ON_DEVICE(dy.device(), swiglu_backward(gate, up, dy, dgate, dup));
    return {dgate, dup};
  }

  Saved gate{*this, "gate"}, up{*this, "up"};
};

}  // namespace

Tensor swiglu(Tensor gate, const Tensor& up) {
  SCCA_CHECK(gate.shape() == up.shape() && gate.dtype() == up.dtype(), "swiglu: gate is ",
             to_string(gate.shape()), " ", name_of(gate.dtype()), ", up is ", to_string(up.shape()), " ",
             name_of(up.dtype()), "; they must be alike");
  const bool recorded = grad_enabled() && (gate.requires_grad() || up.requires_grad());
  Tensor y =
      !recorded && gate.unique() ? gate.detach() : Tensor::empty(gate.shape(), gate.dtype(), gate.device());
  SCCA_ON_DEVICE(gate.device(), swiglu_forward(gate, up, y));
  if (auto node = record<SwigluNode>(y, {&gate, &up})) {
    node->gate = gate;
    if (node->wants(0)) {  // dup reads gate only
      node->up = up;
      node->remake = [n = node.get()] { return swiglu(n->gate, n->up); };
    }
  }
  return y;
}

namespace cpu {

void swiglu_forward(const Tensor& gate, const Tensor& up, Tensor& y) {
  visit_float(gate.dtype(), "swiglu", [&]<class T>() {
    const T* gates = gate.data<T>();
    const T* ups = up.data<T>();
    T* out = y.data<T>();
    elementwise<T>(y.numel(), [=](const auto& load, const auto& store) {
      const Lanes<T> g = load(gates);
      store(out, g * logistic(g) * load(ups));
    });
  });
}

/// With s = sigmoid(gate):  dup = dy gate s,  dgate = dy up s (1 + gate (1 - s)). All is read before anything
/// is written. Where dgate is not wanted, up was not saved.
void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dy, Tensor& dgate, Tensor& dup) {
  visit_float(gate.dtype(), "swiglu", [&]<class T>() {
    const T* gates = gate.data<T>();
    const T* ups = dgate ? up.data<T>() : nullptr;
    const T* dys = dy.data<T>();
    T* to_gate = dgate ? dgate.data<T>() : nullptr;
    T* to_up = dup ? dup.data<T>() : nullptr;
    elementwise<T>(dy.numel(), [=](const auto& load, const auto& store) {
      using V = Lanes<T>;
      const V one = V{} + 1.0f, g = load(gates), d = load(dys), s = logistic(g);
      if (to_gate) store(to_gate, d * load(ups) * s * (one + g * (one - s)));
      if (to_up) store(to_up, d * g * s);
    });
  });
}

}  // namespace cpu
}  // namespace scca
