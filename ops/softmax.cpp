#include "ops/softmax.h"

#include <limits>

#include "core/autograd.h"
#include "core/registers.h"

namespace scca {
namespace {

struct SoftmaxNode : Node {
  const char* name() const override { return "softmax"; }

  std::vector<Tensor> backward(Tensor dy) override {
    Tensor dx = dy.unique() ? dy.detach() : Tensor::empty(dy.shape(), dy.dtype(), dy.device());
    SCCA_ON_DEVICE(dy.device(), softmax_backward(y, dy, dx));
    return {dx};
  }

  Saved y{*this, "y"};
};

}  // namespace

Tensor softmax(Tensor x) {
  SCCA_CHECK(x.rank() >= 1, "softmax: x is a scalar, expected rows [..., D]");
  Tensor y = x.unique() ? x.detach() : Tensor::empty(x.shape(), x.dtype(), x.device());
  SCCA_ON_DEVICE(x.device(), softmax_forward(x, y));
  if (auto node = record<SoftmaxNode>(y, {&x})) node->y = y;
  return y;
}

namespace cpu {
namespace {

int64_t rows_of(const Tensor& x) { return x.numel() / std::max<int64_t>(x.size(-1), 1); }

}  // namespace

void softmax_forward(const Tensor& x, Tensor& y) {
  visit_float(x.dtype(), "softmax", [&]<class T>() {
    using A = Accumulator<T>;
    const int64_t width = x.size(-1);
    const T* xs = x.data<T>();
    T* ys = y.data<T>();
    for_each_row(rows_of(x), width, [=](int64_t row) {
      constexpr A lowest = -std::numeric_limits<A>::infinity();
      const int64_t begin = row * width, end = begin + width;
      Lanes<T> most = Lanes<T>{} + lowest, sum{};
      for_each_register<T>(begin, end,
                           [&](const auto& load, const auto&) { most = larger(most, load(xs, lowest)); });
      A shift = lanes_max(most);
      if (shift == lowest) shift = 0;  // nothing is seen: e^-inf is 0, where -inf less -inf would be NaN
      for_each_register<T>(
          begin, end, [&](const auto& load, const auto&) { sum += exponential(load(xs, lowest) - shift); });
      const A total = lanes_sum(sum), factor = total == 0 ? 0 : 1 / total;
      for_each_register<T>(begin, end, [&](const auto& load, const auto& store) {
        store(ys, exponential(load(xs) - shift) * factor);
      });
    });
  });
}

void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  visit_float(y.dtype(), "softmax", [&]<class T>() {
    const int64_t width = y.size(-1);
    const T* ys = y.data<T>();
    const T* dys = dy.data<T>();
    T* dxs = dx.data<T>();
    for_each_row(rows_of(y), width, [=](int64_t row) {
      const int64_t begin = row * width, end = begin + width;
      Lanes<T> sum{};
      for_each_register<T>(begin, end, [&](const auto& load, const auto&) { sum += load(ys) * load(dys); });
      const Accumulator<T> dot = lanes_sum(sum);
      for_each_register<T>(
          begin, end, [&](const auto& load, const auto& store) { store(dxs, load(ys) * (load(dys) - dot)); });
    });
  });
}

}  // namespace cpu
}  // namespace scca
