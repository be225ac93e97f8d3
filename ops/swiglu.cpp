#include "ops/swiglu.h"

#include <cmath>
#include <type_traits>

#include "core/autograd.h"
#include "core/parallel.h"
#include "core/simd.h"

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
    if (node->wants(0)) node->up = up;  // dup reads gate only
  }
  return y;
}

namespace cpu {
namespace {

/// A register of elements: `simd::width` floats, or one double.
template <class T>
using Lanes = std::conditional_t<std::is_same_v<T, double>, double, simd::floats>;

SCCA_INLINE double exponential(double x) { return std::exp(x); }
SCCA_INLINE simd::floats exponential(simd::floats x) { return simd::exp(x); }

template <class V>
SCCA_INLINE V sigmoid(V g) {
  const V one = V{} + 1.0f;
  return one / (one + exponential(-g));
}

/// step(i, load, store) for every register of [0, n): load(p) reads p[i ...], store(p, v) writes it; the last
/// register may be a part.
template <class T, class Step>
SCCA_INLINE void for_each_register(int64_t n, const Step& step) {
  if constexpr (std::is_same_v<T, double>) {
    for (int64_t i = 0; i < n; ++i)
      step([i](const double* from) { return from[i]; }, [i](double* to, double v) { to[i] = v; });
  } else {
    int64_t i = 0;
    for (; i + simd::kWidth <= n; i += simd::kWidth) {
      step([i](const T* from) { return simd::load(from + i); },
           [i](T* to, simd::floats v) { simd::store(to + i, v); });
    }
    if (i == n) return;
    step([=](const T* from) { return simd::load_first(from + i, n - i); },
         [=](T* to, simd::floats v) { simd::store_first(to + i, n - i, v); });
  }
}

template <class T>
void forward(const T* gate, const T* up, int64_t n, T* y) {
  for_each_register<T>(n, [=](const auto& load, const auto& store) {
    const Lanes<T> g = load(gate);
    store(y, g * sigmoid(g) * load(up));
  });
}

/// With s = sigmoid(gate):  dup = dy gate s,  dgate = dy up s (1 + gate (1 - s)). All is read before anything
/// is written. Where dgate is not wanted, up was not saved.
template <class T>
void backward(const T* gate, const T* up, const T* dy, int64_t n, T* dgate, T* dup) {
  for_each_register<T>(n, [=](const auto& load, const auto& store) {
    using V = Lanes<T>;
    const V one = V{} + 1.0f, g = load(gate), d = load(dy), s = sigmoid(g);
    if (dgate) store(dgate, d * load(up) * s * (one + g * (one - s)));
    if (dup) store(dup, d * g * s);
  });
}

}  // namespace

void swiglu_forward(const Tensor& gate, const Tensor& up, Tensor& y) {
  visit_float(gate.dtype(), "swiglu", [&]<class T>() {
    const T* g = gate.data<T>();
    const T* u = up.data<T>();
    T* out = y.data<T>();
    parallel_for(y.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
      forward(g + begin, u + begin, end - begin, out + begin);
    });
  });
}

void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dy, Tensor& dgate, Tensor& dup) {
  visit_float(gate.dtype(), "swiglu", [&]<class T>() {
    const T* g = gate.data<T>();
    const T* u = dgate ? up.data<T>() : nullptr;
    const T* d = dy.data<T>();
    T* dg = dgate ? dgate.data<T>() : nullptr;
    T* du = dup ? dup.data<T>() : nullptr;
    parallel_for(dy.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
      backward(g + begin, u ? u + begin : nullptr, d + begin, end - begin, dg ? dg + begin : nullptr,
               du ? du + begin : nullptr);
    });
  });
}

}  // namespace cpu
}  // namespace scca
