#pragma once
// How fast this machine's matrix products are, and how long a step will take by that. Times are the best of
// several runs: whatever else runs on a machine only ever adds.
#include <functional>

#include "core/tensor.h"

namespace scca {

/// What a measurement runs on, and in.
struct Place {
  Device device = Device::cpu;
  DType dtype = DType::f32;
};

/// Seconds of the fastest run of `work`: at least two runs (one, where a single one takes longer than
/// `budget`), more until `budget` seconds have passed. On a device, after one run that is not counted, in
/// batches that are waited for as a whole, since a wait costs as much as a small kernel.
double best_seconds(double budget, const std::function<void()>& work, Device device = Device::cpu);

/// Normal numbers, made on the host.
Tensor normal_tensor(Shape shape, Place place);

/// GFLOP/s of a product of two square matrices (oneDNN on the CPU, cuBLAS on CUDA): the peak that the ratios
/// refer to.
double matmul_gflops(int64_t size = 2048, double budget = 1, Place place = {});

/// Seconds of a step of so many planned FLOPs (StepPlan) at that rate. Products and attention run at about
/// 0.8 of it, counting what waits for memory beside them (norms, RoPE, the optimizer); `scca bench --check`
/// holds the figure to 25 %.
double expected_seconds(double flops, double gflops);

}  // namespace scca
