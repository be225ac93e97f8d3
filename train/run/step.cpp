#include "train/run/step.h"

#include <cmath>

#include "core/autograd.h"

namespace scca {

Tensor loss_of(const Llama& model, const RowBatch& batch, ForwardOptions options) {
  options.documents = batch.documents;
  if (!batch.positions.empty()) options.positions = {batch.positions, batch.length};
  return model.loss_of(batch.ids, batch.targets, options);
}

double forward_backward(Llama& model, const ForwardOptions& options, StepPasses passes,
                        const std::function<RowBatch(int64_t pass)>& batch_of) {
  const double share = 1.0 / static_cast<double>(passes.count);
  double sum = 0;
  for (int64_t pass = 0; pass < passes.count; ++pass) {
    const RowBatch batch = batch_of(pass);
    // 1 where all passes predict alike
    const double weight =
        static_cast<double>(batch.predictions * passes.count) / static_cast<double>(passes.predictions);
    const Tensor loss = loss_of(model, batch, options);
    backward(loss, Tensor::full(loss.shape(), share * weight, loss.dtype(), loss.device()));
    const double value = loss.item();  // waits for the device: when all of its work is queued
    if (!std::isfinite(value)) return value;
    sum += value * weight;
  }
  return sum * share;
}

}  // namespace scca
