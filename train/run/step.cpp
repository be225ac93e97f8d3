#include "train/run/step.h"

#include <cmath>

#include "core/autograd.h"

namespace scca {

Tensor loss_of(const Llama& model, const RowBatch& batch, ForwardOptions options) {
  options.documents = batch.documents;
  return model.loss_of(batch.ids, batch.targets, options);
}

double forward_backward(Llama& model, const ForwardOptions& options, int64_t passes,
                        const std::function<RowBatch(int64_t pass)>& rows) {
  int64_t predictions = 0;  // counted first, so that no more than one batch is kept
  for (int64_t pass = 0; pass < passes; ++pass) predictions += rows(pass).predictions;
  const double share = 1.0 / static_cast<double>(passes);
  double sum = 0;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const RowBatch batch = rows(pass);
    // 1 where all passes predict alike
    const double weight = static_cast<double>(batch.predictions * passes) / static_cast<double>(predictions);
    const Tensor loss = loss_of(model, batch, options);
    backward(loss, Tensor::full(loss.shape(), share * weight, loss.dtype(), loss.device()));
    const double value = loss.item();  // waits for the device: when all of its work is queued
    if (!std::isfinite(value)) return value;
    sum += value * weight;
  }
  return sum * share;
}

}  // namespace scca
