#pragma once
// Where a backward pass of attention sums dK and dV [B, S, G, K], G key heads. All query heads run at once,
// so those that share a key head sum each by itself, in AttentionWorkspace's sums [B, H, S, K] (float), and
// the sums are added in head order: the same bits with any number of threads. Without sums beside them (a
// float gradient of as many key heads as query heads) each head sums in the gradient itself.
#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "ops/attention.h"

namespace scca::cpu {

/// Where one query head sums its dK and dV: rows of `width` floats, by position.
struct KeyGradients {
  float *dk, *dv;  // null where not wanted
  int64_t row;
};

template <class T>
class KeyGradientSums {
 public:
  /// Both cleared.
  KeyGradientSums(const AttentionShape& shape, AttentionGradients& d, AttentionWorkspace& workspace)
      : shape_(shape),
        d_(d),
        in_place_(!workspace.k_sums && !workspace.v_sums),
        dk_(cleared(d.k, workspace.k_sums)),
        dv_(cleared(d.v, workspace.v_sums)) {}

  KeyGradients of(int64_t batch, int64_t head) const {
    const int64_t at = in_place_ ? shape_.key_row(batch, 0, head)
                                 : (batch * shape_.heads + head) * shape_.tokens * shape_.width;
    return {dk_ ? dk_ + at : nullptr, dv_ ? dv_ + at : nullptr,
            in_place_ ? shape_.heads * shape_.width : shape_.width};
  }

  /// Once all heads have run.
  void finish() {
    if (in_place_) return;
    if (dk_) gather(dk_, d_.k.template data<T>());
    if (dv_) gather(dv_, d_.v.template data<T>());
  }

 private:
  static float* cleared(Tensor& gradient, Tensor& sums) {
    if (!gradient) return nullptr;
    Tensor& to = sums ? sums : gradient;
    std::fill_n(to.data<float>(), to.numel(), 0.0f);
    return to.data<float>();
  }

  void gather(const float* sums, T* gradient) const {
    const int64_t shared_by = shape_.heads / shape_.key_heads, width = shape_.width;
    parallel_for(shape_.batch * shape_.tokens, 64, [&](int64_t begin, int64_t end) {
      std::vector<float> total(static_cast<size_t>(width));
      for (int64_t row = begin; row < end; ++row) {
        const int64_t b = row / shape_.tokens, position = row % shape_.tokens;
        for (int64_t g = 0; g < shape_.key_heads; ++g) {
          const float* from = sums + ((b * shape_.heads + g * shared_by) * shape_.tokens + position) * width;
          std::copy(from, from + width, total.data());
          for (int64_t other = 1; other < shared_by; ++other) {
            from += shape_.tokens * width;
            for (int64_t i = 0; i < width; ++i) total[i] += from[i];
          }
          T* const to = gradient + shape_.key_row(b, position, g);
          for (int64_t i = 0; i < width; ++i) to[i] = static_cast<T>(total[i]);
        }
      }
    });
  }

  const AttentionShape& shape_;
  AttentionGradients& d_;
  const bool in_place_;
  float *const dk_, *const dv_;
};

}  // namespace scca::cpu
