#include "models/attention_weights.h"

#include <cmath>
#include <limits>

#include "core/autograd.h"
#include "ops/cast.h"
#include "ops/slice.h"
#include "ops/softmax.h"

namespace scca {
namespace {

constexpr double kUnseen = -std::numeric_limits<double>::infinity();

/// One head of q or k as [T, K] in f64, on the CPU.
Tensor head_of(const Tensor& x_1THK, int64_t head) {
  const Tensor one = slice(x_1THK, 2, head, 1).to(Device::cpu);
  return cast(one, DType::f64).reshape({x_1THK.size(1), x_1THK.size(3)});
}

/// q_i . k_j / sqrt(K) where query i sees key j, -inf elsewhere.
Tensor scores(const Tensor& q_TK, const Tensor& k_TK, const HeadPlan& plan, bool causal) {
  const int64_t tokens = q_TK.size(0), width = q_TK.size(1);
  Tensor scores_TT = Tensor::full({tokens, tokens}, kUnseen, DType::f64);
  const double* q = q_TK.data<double>();
  const double* k = k_TK.data<double>();
  double* out = scores_TT.data<double>();
  for (const Tile& tile : plan)
    for (int64_t i = 0; i < tile.queries.count; ++i) {
      const int64_t query = tile.queries.at(i);
      for (const KeySlice& keys : tile.keys)
        for (int64_t n = keys.begin_for(query); n < keys.end_for(query, causal); ++n) {
          const int64_t key = keys.at(n);
          double dot = 0;
          for (int64_t c = 0; c < width; ++c) dot += q[query * width + c] * k[key * width + c];
          out[query * tokens + key] = dot / std::sqrt(static_cast<double>(width));
        }
    }
  return scores_TT;
}

}  // namespace

std::vector<double> attention_weights(const Llama& model, const std::vector<int32_t>& ids, int64_t layer,
                                      int64_t head, const std::optional<AttentionSpec>& attention) {
  const LlamaConfig& config = model.config;
  SCCA_CHECK(head >= 0 && head < config.num_attention_heads, "attention_weights: head ", head,
             ", expected one from 0 to ", config.num_attention_heads - 1);
  const NoGrad no_grad;
  AttentionProbe probe{.layer = layer};
  const auto tokens = static_cast<int64_t>(ids.size());
  model.hidden(Tensor::of(ids, {1, tokens}), {.attention = attention, .probe = &probe});
  const int64_t key_head = head / (config.num_attention_heads / config.num_key_value_heads);
  const Tensor scores_TT = scores(head_of(probe.query_BTHK, head), head_of(probe.key_BSGK, key_head),
                                  *probe.plan->heads[static_cast<size_t>(head)], probe.plan->causal);
  std::vector<double> weights = softmax(scores_TT).to_vector<double>();
  const double* seen = scores_TT.data<double>();
  for (size_t i = 0; i < weights.size(); ++i)
    if (seen[i] == kUnseen) weights[i] = std::numeric_limits<double>::quiet_NaN();
  return weights;
}

}  // namespace scca
