// Learns to tell two spirals apart with tensors, gradients and ops alone: a gated layer, a norm, a loss,
// AdamW. Legend: N points, H hidden units. Exits 1 if it does not learn.
#include <cmath>
#include <cstdio>

#include "core/autograd.h"
#include "core/random.h"
#include "ops/adamw.h"
#include "ops/linear.h"
#include "ops/linear_cross_entropy.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

using namespace scca;

namespace {

constexpr int64_t kPoints = 301, kHidden = 48;

struct Net {
  Tensor gate_H3 = random({kHidden, 3}, 2), up_H3 = random({kHidden, 3}, 2),
         norm_H = Tensor::full({kHidden}, 1), out_2H = random({2, kHidden}, 0.1);

  Net() {
    for (Tensor* weight : {&gate_H3, &up_H3, &norm_H, &out_2H}) weight->set_requires_grad();
  }

  static Tensor random(Shape shape, double deviation) {
    Tensor t = Tensor::empty(shape);
    fill_normal(t, deviation);
    return t;
  }

  Tensor loss(const Tensor& x_N3, const Tensor& class_N) const {
    const Tensor h_NH = swiglu(linear(x_N3, gate_H3), linear(x_N3, up_H3));
    return linear_cross_entropy(rms_norm(h_NH, norm_H, 1e-6), out_2H, class_N);
  }
};

/// Points on two arms that wind around each other, each with a constant 1 for want of a bias.
void two_spirals(Tensor& x_N3, Tensor& class_N) {
  std::vector<float> x;
  std::vector<int32_t> of;
  for (int64_t i = 0; i < kPoints; ++i) {
    const int arm = static_cast<int>(i % 2);
    const double r = 0.2 + 0.8 * static_cast<double>(i) / kPoints, angle = 12 * r + M_PI * arm;
    for (const double value : {r * std::cos(angle), r * std::sin(angle), 1.0})
      x.push_back(static_cast<float>(value));
    of.push_back(arm);
  }
  x_N3 = Tensor::of(x, {kPoints, 3});
  class_N = Tensor::of(of, {kPoints});
}

}  // namespace

int main() {
  set_random_state({1, 0});
  Tensor x_N3, class_N;
  two_spirals(x_N3, class_N);
  Net net;
  std::vector<AdamWParameter> state;
  for (Tensor* weight : {&net.gate_H3, &net.up_H3, &net.norm_H, &net.out_2H})
    state.push_back({*weight, {}, Tensor::zeros(weight->shape()), Tensor::zeros(weight->shape())});

  double loss = 0;
  for (int64_t step = 1; step <= 400; ++step) {
    const Tensor l = net.loss(x_N3, class_N);
    loss = l.item();
    if (step == 1 || step % 100 == 0) std::printf("step %3d  loss %.4f\n", static_cast<int>(step), loss);
    backward(l);
    for (AdamWParameter& p : state) p.grad = p.parameter.grad();
    adamw_step(state, {.lr = 1e-2}, step);
    for (AdamWParameter& p : state) p.parameter.set_grad({}), p.grad = {};
  }
  if (loss < 0.05) return 0;
  std::fprintf(stderr, "toy_net: loss %.4f after 400 steps, expected below 0.05; a coin's is 0.693\n", loss);
  return 1;
}
