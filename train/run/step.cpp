#include "train/run/step.h"

#include <cmath>

#include "core/autograd.h"

namespace scca {

double forward_backward(Llama& model, const ForwardOptions& options, int64_t passes,
                        const std::function<Tensor(int64_t pass)>& rows) {
  const double share = 1.0 / static_cast<double>(passes);
  double sum = 0;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const Tensor loss = model.loss(rows(pass), options);
    backward(loss, Tensor::full(loss.shape(), share, loss.dtype(), loss.device()));
    const double value = loss.item();  // waits for the device: when all of its work is queued
    if (!std::isfinite(value)) return value;
    sum += value;
  }
  return sum * share;
}

}  // namespace scca
