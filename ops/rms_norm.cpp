#include "ops/rms_norm.h"

#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/column_parameter.h"
#include "ops/row_groups.h"

namespace scca {
namespace {

DType statistics_of(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

struct RmsNormNode : Node {
  const char* name() const override { return "rms_norm"; }

  std::vector<Tensor> backward(Tensor dy) override {
    Tensor dx, dweight, sums;
    if (wants(0)) dx = Tensor::empty(x.shape(), x.dtype(), x.device());
    if (wants(1)) {
      dweight = Tensor::empty(weight.shape(), weight.dtype(), x.device());
      sums = row_group_sums(x);
    }
    SCCA_ON_DEVICE(x.device(), rms_norm_backward(x, weight, scale, dy, dx, dweight, sums));
    return {dx, dweight};
  }

  Saved x{*this, "x"}, weight{*this, "weight"}, scale{*this, "scale"};
};

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  SCCA_CHECK(x.rank() >= 1 && weight.rank() == 1 && weight.size(0) == x.size(-1), "rms_norm: weight is ",
             to_string(weight.shape()), ", x is ", to_string(x.shape()), "; weight needs x's last size");
  SCCA_CHECK(weight.dtype() == x.dtype() || weight.dtype() == DType::f32, "rms_norm: weight is ",
             name_of(weight.dtype()), ", x is ", name_of(x.dtype()), "; weight must be f32 or as x");
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  Tensor scale =
      Tensor::empty({x.numel() / std::max<int64_t>(x.size(-1), 1)}, statistics_of(x.dtype()), x.device());
  SCCA_ON_DEVICE(x.device(), rms_norm_forward(x, weight, eps, y, scale));
  if (auto node = record<RmsNormNode>(y, {&x, &weight})) {
    node->x = x;  // both gradients read all three
    node->weight = weight;
    node->scale = scale;
    node->remake = [n = node.get(), eps] { return rms_norm(n->x, n->weight, eps); };
  }
  return y;
}

namespace cpu {
namespace {

template <class T, class W>
void forward(const Tensor& x, const Tensor& weight, double eps, Tensor& y, Tensor& scale) {
  using A = Accumulator<T>;
  const int64_t width = x.size(-1);
  const T* xs = x.data<T>();
  const W* ws = weight.data<W>();
  T* ys = y.data<T>();
  A* scales = scale.data<A>();
  parallel_for(scale.numel(), kElementwiseGrain / std::max<int64_t>(width, 1),
               [=](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const T* in = xs + row * width;
                   T* out = ys + row * width;
                   A sum = 0;
#pragma omp simd reduction(+ : sum)
                   for (int64_t i = 0; i < width; ++i) sum += static_cast<A>(in[i]) * static_cast<A>(in[i]);
                   const A s = A(1) / std::sqrt(sum / static_cast<A>(width) + static_cast<A>(eps));
                   scales[row] = s;
#pragma omp simd
                   for (int64_t i = 0; i < width; ++i)
                     out[i] = static_cast<T>(static_cast<A>(in[i]) * s * static_cast<A>(ws[i]));
                 }
               });
}

/// With n = x s (the normalised row) and g = dy weight:  dx = s (g - n mean(g n)),  dweight = sum over rows
/// of dy n.
template <class T, class W>
void backward_row(const T* x, const W* w, Accumulator<T> s, const T* dy, int64_t width, T* dx,
                  Accumulator<T>* dw) {
  using A = Accumulator<T>;
  if (dx) {
    A dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < width; ++i)
      dot += static_cast<A>(dy[i]) * static_cast<A>(w[i]) * static_cast<A>(x[i]);
    const A mean = dot * s / static_cast<A>(width);
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) {
      dx[i] = static_cast<T>(
          s * (static_cast<A>(dy[i]) * static_cast<A>(w[i]) - static_cast<A>(x[i]) * s * mean));
    }
  }
  if (dw) {
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) dw[i] += static_cast<A>(dy[i]) * static_cast<A>(x[i]) * s;
  }
}

template <class T, class W>
void backward(const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& dy, Tensor& dx,
              Tensor& dweight, Tensor& sums) {
  using A = Accumulator<T>;
  const int64_t width = x.size(-1), rows = scale.numel(), group = row_group(rows, Device::cpu);
  const int64_t groups = (rows + group - 1) / group;
  const T* xs = x.data<T>();
  const T* dys = dy.data<T>();
  const W* ws = weight.data<W>();
  const A* scales = scale.data<A>();
  T* dxs = dx ? dx.data<T>() : nullptr;
  A* parts = dweight ? sums.data<A>() : nullptr;
  parallel_for(groups, 1, [=](int64_t begin, int64_t end) {
    if (parts) std::fill(parts + begin * width, parts + end * width, A(0));
    for (int64_t row = begin * group; row < std::min(rows, end * group); ++row) {
      const int64_t at = row * width;
      backward_row<T, W>(xs + at, ws, scales[row], dys + at, width, dxs ? dxs + at : nullptr,
                         parts ? parts + row / group * width : nullptr);
    }
  });
  if (dweight) add_row_groups(parts, groups, width, dweight.data<W>());
}

}  // namespace

void rms_norm_forward(const Tensor& x, const Tensor& weight, double eps, Tensor& y, Tensor& scale) {
  visit_rows_and_parameter("rms_norm", x, weight,
                           [&]<class T, class W>() { forward<T, W>(x, weight, eps, y, scale); });
}

void rms_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& dy,
                       Tensor& dx, Tensor& dweight, Tensor& sums) {
  visit_rows_and_parameter("rms_norm", x, weight, [&]<class T, class W>() {
    backward<T, W>(x, weight, scale, dy, dx, dweight, sums);
  });
}

}  // namespace cpu
}  // namespace scca
