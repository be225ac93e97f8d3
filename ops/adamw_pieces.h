#pragma once
// What the kernels of all devices share: parameters cut into pieces, and the numbers of a step.
#include <algorithm>
#include <cmath>

#include "ops/adamw.h"

namespace scca {

/// A piece of one tensor: parameters come in all sizes, and threads share them out in pieces of one size.
struct Piece {
  size_t tensor;
  int64_t begin, count;
};
inline constexpr int64_t kPiece = 1 << 14;

/// How many `tensor` is cut into; 0 for an empty one.
inline int64_t pieces_of(const Tensor& tensor) { return tensor ? (tensor.numel() + kPiece - 1) / kPiece : 0; }

/// tensor_at(i) is the i-th tensor, which may be empty.
template <class TensorAt>
std::vector<Piece> cut(size_t tensors, const TensorAt& tensor_at) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < tensors; ++i) {
    const int64_t n = tensor_at(i).numel();
    for (int64_t begin = 0; tensor_at(i) && begin < n; begin += kPiece)
      pieces.push_back({i, begin, std::min(kPiece, n - begin)});
  }
  return pieces;
}

/// Pieces as CUDA's kernels read them.
struct UpdatePiece {
  float* w;
  const float* grad;
  float *m, *v;
  int64_t count;
  int32_t decay, packs;
};
struct NormPiece {
  const void* values;
  int64_t count;
  int32_t is_f32, packs;
};

/// The numbers of step t, worked out in f64 and rounded once. `keep` is what is left of a parameter that
/// decays.
template <class T>
struct AdamWFactors {
  T grad_scale, keep, beta1, rest1, beta2, rest2, step_size, root_correction, eps;

  AdamWFactors(const AdamWOptions& o, int64_t t, double scale)
      : grad_scale(static_cast<T>(scale)),
        keep(static_cast<T>(1 - o.lr * o.weight_decay)),
        beta1(static_cast<T>(o.beta1)),
        rest1(static_cast<T>(1 - o.beta1)),
        beta2(static_cast<T>(o.beta2)),
        rest2(static_cast<T>(1 - o.beta2)),
        step_size(static_cast<T>(o.lr / (1 - std::pow(o.beta1, static_cast<double>(t))))),
        root_correction(static_cast<T>(1 / std::sqrt(1 - std::pow(o.beta2, static_cast<double>(t))))),
        eps(static_cast<T>(o.eps)) {}
};

}  // namespace scca
