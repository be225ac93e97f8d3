#pragma once
// What share of the machine's matrix products (train/run/rate.h) attention and a fine-tuning step reach.
#include <cstdint>
#include <optional>
#include <string>

#include "models/base_dtype.h"
#include "models/config.h"
#include "models/llama.h"
#include "train/run/optimizer.h"
#include "train/run/rate.h"

namespace scca {

struct AttentionFigure {
  std::string pattern;
  int64_t tokens = 0;
  int64_t pairs = 0;  // visible, all heads together
  double forward_seconds = 0, backward_seconds = 0;
  int64_t head_dim = 0, heads = 0;

  /// 4 d FLOPs per visible pair forward (q k^T and p v), 10 d backward (the scores again, dv, dp, dq, dk).
  double forward_gflops() const;
  double backward_gflops() const;
  double both_gflops() const;
  double ns_per_pair() const;  // forward and backward
};

/// The two kernels on one row of tokens, without autograd.
AttentionFigure measure_attention(const std::string& pattern, int64_t tokens, int64_t heads, int64_t head_dim,
                                  double budget, Place place = {});

struct StepOptions {
  std::string attention = "full";
  int64_t context = 2048, batch = 2, lora_rank = 8;
  bool checkpointing = false;
  BaseDType base = BaseDType::same;  // not stored: the weights are random
  double budget = 3;
  Place place = {};
  int busy_threads = 0;  // beside which it is measured once more
};

/// One optimizer step of LoRA + embed + norm: forward, backward, clipping, AdamW.
struct StepFigure {
  std::string pattern;
  int64_t tokens = 0;  // batch * context
  int64_t frozen_parameters = 0, trained_parameters = 0;
  double seconds = 0;
  double busy_seconds = 0;  // beside busy threads, the median of several; 0: without any
  int64_t flops = 0;
  double planned_flops = 0;    // all of the step's, what runs again too
  int64_t peak_bytes = 0;      // in tensors, on the step's device
  int64_t peak_rss_bytes = 0;  // of the process (Linux: VmHWM); 0 where it is not known

  double gflops() const { return static_cast<double>(flops) / seconds * 1e-9; }
  double tokens_per_s() const { return static_cast<double>(tokens) / seconds; }
};

/// A training step that can be taken again and again: what measure_step measures.
class BenchStep {
 public:
  /// Throws Error where it does not fit into memory.
  BenchStep(const LlamaConfig& config, const StepOptions& options);
  void run();
  /// Of the steps up to here, with the seconds that one took.
  StepFigure figure(double seconds) const;

 private:
  Device device_;
  std::optional<Llama> model_;
  std::optional<Optimizer> optimizer_;
  Tensor ids_;
  ForwardOptions forward_;
  StepFigure figure_;
  int64_t steps_ = 0;
};

/// The step on random weights of this shape and random tokens; with bf16, weights and activations of the base
/// are bf16, and what learns f32. FLOPs: 4 per frozen parameter and token (W x, and the gradient of x), 6 per
/// trained one (that of W too), 14 d per visible pair, head and layer. Running a block again under
/// checkpointing is not counted: it is work, not progress. Nor is an embedding table that is not also the
/// head: it is looked up, not multiplied.
StepFigure measure_step(const LlamaConfig& config, const StepOptions& options);

/// The shape of the demo's base model.
LlamaConfig demo_shape();

struct BenchRatio {
  std::string name, meaning;
  double value = 0, limit = 0;
  bool at_least = true;  // or: at most

  bool holds() const { return at_least ? value >= limit : value <= limit; }
};

}  // namespace scca
