#pragma once
// How much memory a training step takes, from shapes alone: known before a weight is read or anything is
// allocated.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "models/llama.h"
#include "nn/lora.h"
#include "train/run/settings.h"

namespace scca {

/// A model as far as memory goes.
struct ModelShape {
  struct Parameter {
    std::string name;
    Shape shape;
    bool learns = false;

    int64_t numel() const { return scca::numel(shape); }
    bool is_lora() const { return name.find(".lora_") != std::string::npos; }
  };

  LlamaConfig config;
  DType dtype = DType::f32;  // of frozen weights and activations; what learns is f32
  Device device = Device::cpu;
  std::vector<Parameter> parameters;  // LoRA's among them
  double lora_dropout = 0;

  /// Throws Error when there is none of this name.
  const Parameter& parameter(const std::string& name) const;
  int64_t numbers() const;           // of the base
  int64_t learning_numbers() const;  // with LoRA's
};

/// Of a model that is there, its learning weights chosen.
ModelShape shape_of(Llama& model);
/// Of the model that this config describes, with LoRA or without, and these parts of the base learning (as
/// for Llama::set_trainable). Throws UsageError for a target or a part that it does not have.
ModelShape shape_of(const LlamaConfig& config, DType dtype, Device device,
                    const std::optional<LoraOptions>& lora, const std::set<std::string>& learning);

/// What is live at the moment of a step when most is, in bytes.
struct MemoryEstimate {
  int64_t weights = 0;      // of the base; f32 where they learn
  int64_t adapters = 0;     // LoRA's
  int64_t optimizer = 0;    // two moments of what learns
  int64_t gradients = 0;    // of what learns, as far as they are gathered at that moment
  int64_t activations = 0;  // kept for backward
  int64_t workspace =
      0;  // what the running op has at hand besides: its gradients, its own scratch, RoPE's table
  std::string moment;  // "attention's backward in block 31"

  int64_t total() const { return weights + adapters + optimizer + gradients + activations + workspace; }
};

/// False when the figures of such a step would not fit 64 bits: sizes far beyond every machine.
bool countable(const ModelShape& shape, const TrainSettings& settings);

/// The highest point of a training step: what memory_counters(shape.device).peak_bytes will say, within 5 %.
/// Reads of the settings batch, context, grad_accum and checkpointing: the attention pattern costs time, not
/// memory (no score outlives its block). Weights count as owned; on the CPU those of a mapped file in the
/// model's own dtype are not in the counters. Throws UsageError for what is not countable().
MemoryEstimate estimate_memory(const ModelShape& shape, const TrainSettings& settings);

/// The longest context, in steps of 256 tokens, whose estimate is at most `bytes`; 0 when none is.
int64_t longest_context(const ModelShape& shape, TrainSettings settings, int64_t bytes);

/// "13.5 GB", "318 MB"
std::string readable_bytes(int64_t bytes);
/// "1.3 GB (weights 21 MB, ...)"
std::string describe(const MemoryEstimate& estimate);

/// Throws Error with both figures and what to change when the estimate does not fit into what is `available`
/// on the device, where so many bytes of it lie already; -1: not known, all fits.
void check_memory(const MemoryEstimate& estimate, int64_t available, int64_t there);
/// The same where the model's weights and adapters lie there.
void check_memory(const MemoryEstimate& estimate, int64_t available);

}  // namespace scca
