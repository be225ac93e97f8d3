#pragma once
// Attention over any plan, in blocks with a running maximum: no score outlives its block (Dao et al., arXiv
// 2205.14135; Milakov & Gimelshein, arXiv 1805.02867).
#include "core/dispatch.h"
#include "core/tensor.h"
#include "ops/attention_plan.h"
#include "ops/score_change.h"

namespace scca {

/// out_i = sum over the keys j that query i sees of softmax_j(scale q_i . k_j) v_j, for each head by itself.
///
/// q [B, T, H, K] and out are alike; k and v are [B, S, G, K]. S is plan->tokens, and the queries stand at
/// the last T of these positions (T = S in training, T = 1 when decoding). G divides H: query head h reads
/// key head h / (H / G), without copies. scale 0 means 1 / sqrt(K). All f32, bf16 or f64 (a
/// plain per-row kernel: the definition). bf16 sums in f32; where tensor cores or the CPU multiply bf16,
/// weights and score gradients are rounded to it for their products. A query that sees no key has zero output
/// and zero gradient.
///
/// Memory is O(S): forward keeps out and one log-sum-exp per query and head. Time follows the visible pairs.
/// The same bits at any thread count. Throws Error on shapes, dtypes or a head count that do not fit the
/// plan, and on a negative scale.
///
/// `change` stands between scale q_i . k_j and the softmax (ops/score_change.h); its sink has a gradient too.
/// Only the kernel for f64 on the CPU applies one, up to kMostChangedTokens tokens: elsewhere it is an Error.
/// Where a change makes every score of a query -inf, that query sees no key.
Tensor attention(const Tensor& q_BTHK, const Tensor& k_BSGK, const Tensor& v_BSGK, const PlanPtr& plan,
                 double scale = 0, const ScoreChange& change = {});

/// What a score at a time is quick enough for: some seconds a head of width 64.
inline constexpr int64_t kMostChangedTokens = 4096;

struct AttentionInput {
  const Tensor &q, &k, &v;
  const AttentionPlan& plan;
  double scale;
  const ScoreChange* change = nullptr;  // null: none
};

/// log_sum_exp is [B, H, T] in f32 (f64 for f64), -inf for a query that sees nothing.
struct AttentionOutput {
  Tensor out, log_sum_exp;
};

/// An empty one is not wanted; the others are overwritten.
struct AttentionGradients {
  Tensor q, k, v, sink_H = {};
};

/// What the kernels write and read beside. `k_sums`, `v_sums` [B, H, S, K] in f32: dK and dV by query head,
/// where they cannot be summed in the gradients themselves. On CUDA: two numbers for each query and head, and
/// the plan as lists of work (ops/attention_work.h).
struct DeviceWork;
struct AttentionWorkspace {
  Tensor k_sums, v_sums, statistics;
  std::shared_ptr<const DeviceWork> queries_stay, keys_stay;
};
AttentionWorkspace forward_workspace(const AttentionInput& in);
AttentionWorkspace backward_workspace(const AttentionInput& in, const AttentionGradients& gradients);

SCCA_KERNELS(void attention_forward(const AttentionInput& in, AttentionOutput& result,
                                    AttentionWorkspace& workspace);
             void attention_backward(const AttentionInput& in, const AttentionOutput& result,
                                     const Tensor& dout, AttentionGradients& gradients,
                                     AttentionWorkspace& workspace);)

/// The sizes of a call, as both kernels read them.
struct AttentionShape {
  AttentionShape(const Tensor& q, const Tensor& k)
      : batch(q.size(0)),
        queries(q.size(1)),
        heads(q.size(2)),
        width(q.size(3)),
        tokens(k.size(1)),
        key_heads(k.size(2)) {}

  int64_t first_query() const { return tokens - queries; }
  int64_t key_head(int64_t head) const { return head / (heads / key_heads); }
  /// Where a row of q (position, head) or k (position, key head) starts.
  int64_t query_row(int64_t b, int64_t position, int64_t head) const {
    return ((b * queries + position - first_query()) * heads + head) * width;
  }
  int64_t key_row(int64_t b, int64_t position, int64_t key_head) const {
    return ((b * tokens + position) * key_heads + key_head) * width;
  }
  /// Where a query's log-sum-exp stands.
  int64_t statistic(int64_t b, int64_t position, int64_t head) const {
    return (b * heads + head) * queries + position - first_query();
  }

  int64_t batch, queries, heads, width, tokens, key_heads;
};

namespace cpu {
/// attention_row.cpp: T = 1, in f32 or bf16.
void attention_forward_row(const AttentionInput& in, AttentionOutput& result);
/// The per-row f64 kernels of attention_reference.cpp, which alone look at `in.change`.
void attention_forward_rows(const AttentionInput& in, AttentionOutput& result);
void attention_backward_rows(const AttentionInput& in, const AttentionOutput& result, const Tensor& dout,
                             AttentionGradients& gradients);
}  // namespace cpu

}  // namespace scca
