#include "nn/lora.h"

#include <cmath>

#include "core/autograd.h"
#include "core/random.h"
#include "ops/cast.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/matmul.h"

namespace scca {

double LoraOptions::scale() const {
  return alpha / (rank_stabilised ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
}

void LoraOptions::validate() const {
  if (rank < 1) fail<UsageError>(Setting("rank"), " ", rank, ": expected 1 or more");
  if (!(dropout >= 0 && dropout < 1))
    fail<UsageError>(Setting("dropout"), " ", dropout, ": expected a probability in [0, 1)");
  if (!(std::isfinite(alpha) && alpha > 0))
    fail<UsageError>(Setting("alpha"), " ", alpha, ": expected a number above 0");
}

Lora Lora::initialised(int64_t in, int64_t out, const LoraOptions& options, Device device) {
  Tensor a = Tensor::empty({options.rank, in});
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  fill_uniform(a, -bound, bound);
  Lora lora{a.to(device), Tensor::zeros({out, options.rank}, DType::f32, device), options.scale(),
            options.dropout};
  lora.a_RI.set_requires_grad();
  lora.b_OR.set_requires_grad();
  return lora;
}

Tensor Lora::operator()(Tensor base, const Tensor& x, bool training) const {
  const Tensor input = training && dropout > 0 ? scca::dropout(x, dropout) : x;
  const Tensor low = linear(input, cast(a_RI, x.dtype()));
  return linear_add(std::move(base), low, cast(b_OR, x.dtype()), scale);
}

Tensor Lora::merged_into(const Tensor& weight_OI) const {
  NoGrad no_grad;
  Tensor sum = cast(weight_OI.detach(), DType::f32).clone();
  matmul_into(b_OR, a_RI, sum, {.scale = scale, .accumulate = true});
  return is_blocks(weight_OI.dtype()) ? sum : cast(sum, weight_OI.dtype());
}

}  // namespace scca
