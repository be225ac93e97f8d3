#pragma once
// Where a backward pass of attention sums dK and dV [B, S, G, K], G key heads. All query heads run at once,
// so those that share a key head sum each by itself, in AttentionWorkspace's sums [B, H, S, K] (float), and
// the sums are added in head order; within a head blocks of queries add in theirs (BlockTurns): the same bits
// with any number of threads. Without sums beside them (a float gradient of as many key heads as query heads)
// each head sums in the gradient itself.
#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "ops/attention_turns.h"

namespace scca::cpu {

/// Where one query head sums its dK and dV: rows by position, of which nothing is read before they are
/// written.
class KeyGradients {
 public:
  /// Rows of `width` floats, `row` apart; null where they are not wanted.
  KeyGradients(float* dk, float* dv, int64_t row, int64_t width)
      : dk_(dk), dv_(dv), row_(row), width_(width) {}

  bool wants_dk() const { return dk_ != nullptr; }
  bool wants_dv() const { return dv_ != nullptr; }

  /// Asks for the rows of a block of keys, which are added to next.
  void ask_for(const KeyBlock& block, RowsAhead& ahead) const {
    for (const float* rows : {dv_, dk_})
      for (int64_t key = 0; rows && key < block.count; ++key)
        ahead.add(rows + block.position[key] * row_, width_);
  }

  /// What one block of queries adds to a block of keys: [key][row], dk without the scale of the scores.
  struct Sums {
    const float *dk, *dv;
    int64_t row;
  };
  /// `turn`: of each of the block's keys.
  void add(const KeyBlock& block, const Sums& sums, float scale, const int32_t* turn,
           BlockTurns& turns) const {
    for (int64_t key = 0; key < block.count; ++key) turns.wait(block.position[key], turn[key]);
    if (dv_) add_rows(block, sums.dv, sums.row, 1, turn, dv_);
    if (dk_) add_rows(block, sums.dk, sums.row, scale, turn, dk_);
    for (int64_t key = 0; key < block.count; ++key) turns.pass(block.position[key], turn[key]);
  }

  /// Clears the rows of the `tokens` keys that no block came to; once all have come.
  void finish(const BlockTurns& turns, int64_t tokens) const {
    for (int64_t position = 0; position < tokens; ++position) {
      if (turns.met(position)) continue;
      for (float* to : {dk_, dv_})
        if (to) std::fill_n(to + position * row_, width_, 0.0f);
    }
  }

 private:
  /// to[position of key] += factor * sums[key], from zero where the block is the first to come.
  void add_rows(const KeyBlock& block, const float* sums, int64_t sums_row, float factor, const int32_t* turn,
                float* to) const {
    for (int64_t key = 0; key < block.count; ++key) {
      const auto add = turn[key] == 0 ? &KeyGradients::add_row<true> : &KeyGradients::add_row<false>;
      (this->*add)(sums + key * sums_row, factor, to + block.position[key] * row_);
    }
  }

  template <bool first>
  void add_row(const float* from, float factor, float* row) const {
    int64_t i = 0;
    for (; i + simd::kWidth <= width_; i += simd::kWidth) {
      const simd::floats before = first ? simd::floats{} : simd::load(row + i);
      simd::store(row + i, simd::fma(simd::load(from + i), simd::broadcast(factor), before));
    }
    for (; i < width_; ++i) row[i] = (first ? 0.0f : row[i]) + factor * from[i];
  }

  float *const dk_, *const dv_;
  const int64_t row_, width_;
};

template <class T>
class KeyGradientSums {
 public:
  KeyGradientSums(const AttentionShape& shape, AttentionGradients& d, AttentionWorkspace& workspace)
      : shape_(shape),
        d_(d),
        in_place_(!workspace.k_sums && !workspace.v_sums),
        dk_(place(d.k, workspace.k_sums)),
        dv_(place(d.v, workspace.v_sums)) {}

  KeyGradients of(int64_t batch, int64_t head) const {
    const int64_t at = in_place_ ? shape_.key_row(batch, 0, head)
                                 : (batch * shape_.heads + head) * shape_.tokens * shape_.width;
    return {dk_ ? dk_ + at : nullptr, dv_ ? dv_ + at : nullptr,
            in_place_ ? shape_.heads * shape_.width : shape_.width, shape_.width};
  }

  /// Once all heads have run.
  void finish() {
    if (in_place_) return;
    if (dk_) gather(dk_, d_.k.template data<T>());
    if (dv_) gather(dv_, d_.v.template data<T>());
  }

 private:
  static float* place(Tensor& gradient, Tensor& sums) {
    if (!gradient) return nullptr;
    return (sums ? sums : gradient).data<float>();
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
