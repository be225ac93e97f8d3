#include "ops/attention.h"

#include <cmath>
#include <map>

#include "core/autograd.h"
#include "core/planning.h"
#include "ops/attention_work.h"

namespace scca {
namespace {

/// Of all heads. Counted once for a plan, which has a query for every token: layers share plans.
double pairs_of(const PlanPtr& plan) {
  thread_local std::vector<std::pair<std::weak_ptr<const AttentionPlan>, double>> known;
  std::erase_if(known, [](const auto& entry) { return entry.first.expired(); });
  for (const auto& [source, pairs] : known)
    if (source.lock() == plan) return pairs;
  std::map<const HeadPlan*, double> of_list;  // heads share lists
  double pairs = 0;
  for (const auto& head : plan->heads) {
    const auto [at, is_new] = of_list.try_emplace(head.get(), 0);
    if (is_new) at->second = static_cast<double>(visible_pairs(*head, plan->causal));
    pairs += at->second;
  }
  known.emplace_back(plan, pairs);
  return pairs;
}

/// FLOPs: `per_pair` for each visible pair and number of a head's width.
void count_pairs(const char* kernel, const PlanPtr& plan, const Tensor& q, double per_pair) {
  if (!flops_counted()) return;
  count_flops(kernel, per_pair * pairs_of(plan) * static_cast<double>(q.size(0) * q.size(3)));
}

struct AttentionNode : Node {
  const char* name() const override { return "attention"; }

  std::vector<Tensor> backward(Tensor dout) override {
    const auto like = [&](const Tensor& x, size_t input) {
      return wants(input) ? Tensor::empty(x.shape(), x.dtype(), x.device()) : Tensor();
    };
    AttentionGradients d{like(q, 0), like(k, 1), like(v, 2), like(sink, 3)};
    change.sink_H = sink.detach();
    const AttentionInput in{q, k, v, *plan, scale, change ? &change : nullptr};
    AttentionWorkspace workspace = backward_workspace(in, d);
    count_pairs("attention_backward", plan, q, 10);
    const AttentionOutput result{out.detach(), log_sum_exp.detach()};
    SCCA_ON_DEVICE(q.device(), attention_backward(in, result, dout, d, workspace));
    return {d.q, d.k, d.v, d.sink_H};
  }

  Saved q{*this, "q"}, k{*this, "k"}, v{*this, "v"}, out{*this, "out"}, log_sum_exp{*this, "log_sum_exp"},
      sink{*this, "sink"};
  PlanPtr plan;
  double scale = 0;
  ScoreChange change;  // without its sink, which is saved
};

void check_arguments(const Tensor& q, const Tensor& k, const Tensor& v, const PlanPtr& plan) {
  SCCA_CHECK(plan, "attention: no plan");
  SCCA_CHECK(q.rank() == 4 && k.rank() == 4 && k.shape() == v.shape() && q.size(0) == k.size(0) &&
                 q.size(3) == k.size(3),
             "attention: q is ", to_string(q.shape()), ", k is ", to_string(k.shape()), ", v is ",
             to_string(v.shape()), "; expected [B, T, H, K] and twice [B, S, G, K]");
  SCCA_CHECK(q.dtype() == k.dtype() && q.dtype() == v.dtype() && q.dtype() != DType::i32, "attention: q is ",
             name_of(q.dtype()), ", k is ", name_of(k.dtype()), ", v is ", name_of(v.dtype()),
             "; expected one of f32, bf16, f64 for all");
  SCCA_CHECK(q.size(3) >= 2 && q.size(3) % 2 == 0 && q.size(3) <= 256, "attention: head width is ", q.size(3),
             ", expected an even number up to 256");
  SCCA_CHECK(k.size(2) >= 1 && q.size(2) % k.size(2) == 0, "attention: ", q.size(2), " query heads over ",
             k.size(2), " key heads; the first must be a multiple of the second");
  SCCA_CHECK(static_cast<int64_t>(plan->heads.size()) == q.size(2), "attention: the plan has ",
             plan->heads.size(), " heads, q has ", q.size(2));
  SCCA_CHECK(plan->tokens == k.size(1), "attention: the plan is for ", plan->tokens, " tokens, k has ",
             k.size(1));
  SCCA_CHECK(q.size(1) <= k.size(1), "attention: ", q.size(1), " queries over ", k.size(1),
             " keys; the queries are the last of the positions");
}

void check_change(const ScoreChange& change, const Tensor& q, const Tensor& k) {
  if (!change) {
    SCCA_CHECK(!change.apply && !change.sink_H, "attention: the change of scores has no name; give it one");
    return;
  }
  SCCA_CHECK(q.dtype() == DType::f64 && q.device() == Device::cpu && k.size(1) <= kMostChangedTokens,
             "attention: only the reference kernel knows ", change.name, ": f64 on the CPU, up to ",
             kMostChangedTokens, " tokens; q is ", name_of(q.dtype()), " on ", name_of(q.device()),
             ", k has ", k.size(1), " tokens");
  SCCA_CHECK(change.heads == 0 || change.heads == q.size(2), "attention: ", change.name, " is for ",
             change.heads, " heads, q has ", q.size(2));
  SCCA_CHECK(
      !change.sink_H || (change.sink_H.shape() == Shape{q.size(2)} && change.sink_H.dtype() == DType::f64),
      "attention: the sink of ", change.name, " is ", to_string(change.sink_H.shape()), " ",
      name_of(change.sink_H.dtype()), ", expected [", q.size(2), "] f64");
}

/// CUDA's list for one pass over the plan.
std::shared_ptr<const DeviceWork> work_for(AttentionPass pass, const AttentionInput& in) {
  const Stay stay = pass == AttentionPass::key_gradients ? Stay::keys : Stay::queries;
  const int rows = staying_rows(pass, in.q.dtype() == DType::bf16, in.q.size(3));
  return work_on_device(in.plan, AttentionShape(in.q, in.k).first_query(), stay, rows, in.q.device());
}

}  // namespace

AttentionWorkspace forward_workspace(const AttentionInput& in) {
  AttentionWorkspace workspace;
  if (in.q.device() != Device::cpu) workspace.queries_stay = work_for(AttentionPass::forward, in);
  return workspace;
}

AttentionWorkspace backward_workspace(const AttentionInput& in, const AttentionGradients& gradients) {
  AttentionWorkspace workspace;
  const AttentionShape shape(in.q, in.k);
  const Device device = in.q.device();
  const bool shared =
      shape.heads != shape.key_heads;  // query heads that share a key head, and so its gradient
  if (in.q.dtype() != DType::f64 && (shared || (device == Device::cpu && in.q.dtype() == DType::bf16))) {
    const auto sums_beside = [&](const Tensor& gradient) {
      return gradient
                 ? Tensor::empty({shape.batch, shape.heads, shape.tokens, shape.width}, DType::f32, device)
                 : Tensor();
    };
    workspace.k_sums = sums_beside(gradients.k);
    workspace.v_sums = sums_beside(gradients.v);
  }
  if (device == Device::cpu) return workspace;
  workspace.statistics = Tensor::empty({shape.batch, shape.heads, shape.queries, 2}, DType::f32, device);
  if (gradients.q) workspace.queries_stay = work_for(AttentionPass::query_gradient, in);
  if (gradients.k || gradients.v) workspace.keys_stay = work_for(AttentionPass::key_gradients, in);
  return workspace;
}

namespace {

AttentionOutput output_of(const AttentionInput& in, const PlanPtr& plan) {
  const Tensor& q = in.q;
  const DType statistics = q.dtype() == DType::f64 ? DType::f64 : DType::f32;
  AttentionOutput result{Tensor::empty(q.shape(), q.dtype(), q.device()),
                         Tensor::empty({q.size(0), q.size(2), q.size(1)}, statistics, q.device())};
  AttentionWorkspace workspace = forward_workspace(in);
  count_pairs("attention_forward", plan, q, 4);
  SCCA_ON_DEVICE(q.device(), attention_forward(in, result, workspace));
  return result;
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PlanPtr& plan, double scale,
                 const ScoreChange& change) {
  check_arguments(q, k, v, plan);
  check_change(change, q, k);
  // Kernels scale a query's largest score, where the sign of the scale would make it the smallest.
  SCCA_CHECK(scale >= 0, "attention: scale is ", scale, ", expected above 0; negate q instead");
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  const AttentionInput in{q, k, v, *plan, scale, change ? &change : nullptr};
  const auto kept = kept_results([&]() -> std::vector<Tensor> {
    AttentionOutput made = output_of(in, plan);
    return {made.out, made.log_sum_exp};
  });
  AttentionOutput result{kept[0].detach(), kept[1]};  // detached: what is kept has no graph
  if (auto node = record<AttentionNode>(result.out, {&q, &k, &v, &change.sink_H})) {
    node->q = q;  // every wanted gradient reads all of these: even dv needs the weights again
    node->k = k;
    node->v = v;
    node->out = result.out;
    node->log_sum_exp = result.log_sum_exp;
    node->sink = change.sink_H;
    node->plan = plan;
    node->scale = scale;
    node->change = change;
    node->change.sink_H = {};  // its own node would be kept alive
  }
  return result.out;
}

}  // namespace scca
