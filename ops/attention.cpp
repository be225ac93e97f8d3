#include "ops/attention.h"

#include <cmath>

#include "core/autograd.h"

namespace scca {
namespace {

struct AttentionNode : Node {
  const char* name() const override { return "attention"; }

  std::vector<Tensor> backward(Tensor dout) override {
    const auto like = [&](const Tensor& x, size_t input) {
      return wants(input) ? Tensor::empty(x.shape(), x.dtype(), x.device()) : Tensor();
    };
    Tensor dq = like(q, 0), dk = like(k, 1), dv = like(v, 2);
    SCCA_ON_DEVICE(q.device(), attention_backward(q, k, v, out, log_sum_exp, *plan, scale, dout, dq, dk, dv));
    return {dq, dk, dv};
  }

  Saved q{*this, "q"}, k{*this, "k"}, v{*this, "v"}, out{*this, "out"}, log_sum_exp{*this, "log_sum_exp"};
  PlanPtr plan;
  double scale = 0;
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

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PlanPtr& plan, double scale) {
  check_arguments(q, k, v, plan);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  Tensor out = Tensor::empty(q.shape(), q.dtype(), q.device());
  Tensor log_sum_exp = Tensor::empty({q.size(0), q.size(2), q.size(1)},
                                     q.dtype() == DType::f64 ? DType::f64 : DType::f32, q.device());
  SCCA_ON_DEVICE(q.device(), attention_forward(q, k, v, *plan, scale, out, log_sum_exp));
  if (auto node = record<AttentionNode>(out, {&q, &k, &v})) {
    node->q = q;  // every wanted gradient reads all of these: even dv needs the weights again
    node->k = k;
    node->v = v;
    node->out = out;
    node->log_sum_exp = log_sum_exp;
    node->plan = plan;
    node->scale = scale;
  }
  return out;
}

}  // namespace scca
