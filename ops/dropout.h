#pragma once
// Dropout (Srivastava et al., JMLR 15, 2014), scaled at training time.
#include "core/dispatch.h"
#include "core/random.h"
#include "core/tensor.h"

namespace scca {

/// y = x / (1 - p) where kept, 0 where dropped, each element dropped with probability p in [0, 1). Makes one
/// draw: element i reads philox(seed, i / 4, draw)[i % 4], the same on every device. Saves the random state
/// only; backward makes the mask again. Works in place when the caller hands over the only handle
/// (std::move). Whether to drop at all (training, p > 0) is the caller's question. Throws Error for any other
/// p.
Tensor dropout(Tensor x, double p);

/// y may be x.
SCCA_KERNELS(void dropout_mask(const Tensor& x, double p, RandomState draw, Tensor& y);)

}  // namespace scca
