#include "ops/adamw.h"

#include <cmath>

#include "core/parallel.h"
#include "ops/adamw_pieces.h"

namespace scca {
namespace {

void check(const AdamWParameter& p) {
  const Tensor& w = p.parameter;
  for (const Tensor* t : {&p.grad, &p.m, &p.v}) {
    SCCA_CHECK(t->shape() == w.shape() && t->dtype() == w.dtype(), "adamw: parameter is ",
               to_string(w.shape()), " ", name_of(w.dtype()), ", its ",
               t == &p.grad ? "gradient"
               : t == &p.m  ? "m"
                            : "v",
               " is ", to_string(t->shape()), " ", name_of(t->dtype()), "; they must be alike");
  }
  SCCA_CHECK(w.dtype() == DType::f32 || w.dtype() == DType::f64, "adamw: parameter of shape ",
             to_string(w.shape()), " is ", name_of(w.dtype()), "; trainable parameters are kept in f32");
  SCCA_CHECK(!w.borrowed(), "adamw: parameter of shape ", to_string(w.shape()),
             " lies in a mapped file; clone() what is to be trained");
}

/// Room on CUDA for a list of `count` of these.
template <class P>
Tensor room_for(int64_t count, Device device) {
  static_assert(sizeof(P) % sizeof(int32_t) == 0);
  if (device == Device::cpu) return {};
  return Tensor::empty({count * static_cast<int64_t>(sizeof(P) / sizeof(int32_t))}, DType::i32, device);
}

}  // namespace

void adamw_step(std::vector<AdamWParameter>& parameters, const AdamWOptions& options, int64_t t,
                double grad_scale) {
  SCCA_CHECK(t >= 1, "adamw: step ", t, ", expected 1 for the first");
  Device device = Device::cpu;
  for (const AdamWParameter& p : parameters) {
    if (!p.grad) continue;
    check(p);
    device = p.parameter.device();
  }
  int64_t pieces = 0;
  for (const AdamWParameter& p : parameters) pieces += pieces_of(p.grad);
  Tensor list = room_for<UpdatePiece>(pieces, device);
  SCCA_ON_DEVICE(device, adamw(parameters, options, t, grad_scale, list));
}

double gradient_norm(std::span<const Tensor> grads) {
  Device device = Device::cpu;
  for (const Tensor& grad : grads) {
    if (grad) device = grad.device();
  }
  int64_t pieces = 0;
  for (const Tensor& grad : grads) pieces += pieces_of(grad);
  NormWorkspace workspace{
      Tensor::empty({pieces}, DType::f64, device), room_for<NormPiece>(pieces, device), {}};
  if (device != Device::cpu) workspace.total = Tensor::empty({}, DType::f64, device);
  double sum = 0;
  SCCA_ON_DEVICE(device, sum_of_squares(grads, workspace, sum));
  return std::sqrt(sum);
}

namespace cpu {
namespace {

template <class T>
void update(T* w, const T* grad, T* m, T* v, int64_t n, const AdamWFactors<T>& factors, bool decay) {
  const AdamWFactors<T> f = factors;
  const T keep = decay ? f.keep : T(1);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const T g = grad[i] * f.grad_scale;
    m[i] = f.beta1 * m[i] + f.rest1 * g;
    v[i] = f.beta2 * v[i] + f.rest2 * (g * g);
    w[i] = w[i] * keep - f.step_size * (m[i] / (std::sqrt(v[i]) * f.root_correction + f.eps));
  }
}

}  // namespace

void adamw(std::vector<AdamWParameter>& parameters, const AdamWOptions& options, int64_t t, double grad_scale,
           Tensor&) {
  const auto pieces = cut(parameters.size(), [&](size_t i) -> const Tensor& { return parameters[i].grad; });
  parallel_for(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      AdamWParameter& p = parameters[piece.tensor];
      const auto run = [&]<class T>(const AdamWFactors<T>& factors) {
        const int64_t at = piece.begin;
        update(p.parameter.data<T>() + at, p.grad.data<T>() + at, p.m.data<T>() + at, p.v.data<T>() + at,
               piece.count, factors, p.decay);
      };
      if (p.parameter.dtype() == DType::f64) {
        run(AdamWFactors<double>(options, t, grad_scale));
      } else {
        run(AdamWFactors<float>(options, t, grad_scale));
      }
    }
  });
}

void sum_of_squares(std::span<const Tensor> grads, NormWorkspace& workspace, double& sum) {
  const auto pieces = cut(grads.size(), [&](size_t i) -> const Tensor& { return grads[i]; });
  double* const parts = workspace.parts.data<double>();
  parallel_for(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const Piece& piece = pieces[static_cast<size_t>(k)];
      visit_float(grads[piece.tensor].dtype(), "gradient_norm", [&]<class T>() {
        const T* g = grads[piece.tensor].data<T>() + piece.begin;
        double squares = 0;
#pragma omp simd reduction(+ : squares)
        for (int64_t i = 0; i < piece.count; ++i) {
          const double x = static_cast<double>(static_cast<Accumulator<T>>(g[i]));
          squares += x * x;
        }
        parts[k] = squares;
      });
    }
  });
  sum = 0;
  for (size_t k = 0; k < pieces.size(); ++k) sum += parts[k];
}

}  // namespace cpu
}  // namespace scca
