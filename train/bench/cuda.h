#pragma once
// What a CUDA device reaches, in f32 and bf16: its matrix products and copies first, then attention, the ops
// that only move numbers, and fine-tuning steps, as shares of those two measured in the same run.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/device.h"
#include "train/bench/bandwidth.h"

namespace scca {

struct CudaBenchOptions {
  std::vector<DType> dtypes{DType::f32, DType::bf16};
  /// Shapes the fine-tuning step; the default is TinyLlama's, 1.1 billion parameters (arXiv 2401.02385).
  LlamaConfig model;
  int64_t matmul = 8192;
  int64_t copy_bytes = int64_t{1} << 30;
  int64_t heads = 32, head_dim = 128;
  std::vector<int64_t> tokens{4096, 16384};  // of attention; f32, which is for checks, takes the first only
  BandwidthSizes bandwidth;
  int64_t context = 4096, batch = 1;  // of the step
  double budget = 1;                  // seconds a measurement
  bool rehearsal = false;

  CudaBenchOptions();
  /// Everything is measured, at sizes where no figure means anything: for the emulator, and to see that it
  /// works.
  static CudaBenchOptions tiny();
};

/// A dtype's figures. The peak is the best of several moments of the run; matmul in GFLOP/s.
struct CudaFigures {
  DType dtype = DType::f32;
  double matmul_gflops = 0;
  std::vector<AttentionFigure> attention;
  std::vector<BandwidthFigure> bandwidth;
  std::vector<StepFigure> steps;
};

struct CudaBench {
  DeviceProperties device;
  bool rehearsal = false;
  double copy_gb_per_s = 0;
  std::vector<CudaFigures> dtypes;
  /// "bf16 attention sda(dilation=4), 4096 tokens: out of memory ...": what could not be measured, and why.
  /// The rest is measured all the same.
  std::vector<std::string> failures;
};

/// Throws Error when there is no device.
CudaBench measure_cuda(const CudaBenchOptions& options);

nlohmann::json to_json(const CudaBench& bench);
/// The same for a person to read.
std::string to_text(const CudaBench& bench);

}  // namespace scca
