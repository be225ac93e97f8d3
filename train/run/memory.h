#pragma once
// Will it fit: a training step planned before a weight is read or anything is allocated. The real model,
// backward and optimizer run on memory that is only counted (core/planning.h), so that a new op, model or
// pattern needs no line here.
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "core/planning.h"
#include "models/llama.h"
#include "nn/lora.h"
#include "train/run/settings.h"

namespace scca {

/// Makes the model of a run, its learning weights chosen. Called while planning: its tensors have no values.
using MakeModel = std::function<Llama()>;

/// What is to learn: LoRA or none, and these parts of the base (as for Llama::set_trainable). A MakeModel
/// throws UsageError, when called, for a target or a part that the model does not have.
struct Learning {
  std::optional<LoraOptions> lora = {};
  std::set<std::string> base = {};
};

/// Of a model that is there.
MakeModel model_like(const Llama& model);
/// Of a base that is there, of which nothing learns yet.
MakeModel model_like(const Llama& base, const Learning& learning);
/// Of this config, on `device`, which need not be here. `kept` as for Llama::initialised.
MakeModel model_of(const LlamaConfig& config, DType dtype, Device device, const Learning& learning,
                   const ParameterDTypes& kept = {});

struct StepPlan {
  Device device = Device::cpu;
  PlannedPeak peak;                      // when most is live: what memory_counters(device).peak_bytes will be
  int64_t parameters = 0, learning = 0;  // numbers of the base; those that learn, LoRA's among them
  int64_t layers = 0;                    // of the model
  Checkpointing checkpointing = {};      // of no more layers than those
  std::map<std::string, double> flops{};  // of a whole step, by kernel

  double total_flops() const;
  int64_t bytes(MemoryKind kind) const { return peak.of(kind); }
  int64_t kept_layers() const { return layers - checkpointing.layers; }
  /// Of the layers that run again.
  bool keeps_attention() const { return checkpointing.layers > 0 && checkpointing.keeps_attention; }
};

/// Exact: it is the step that the trainer takes, with batch, context, grad_accum and attention of the
/// settings, and with this checkpointing. Where the attention changes over the steps, the peak is that of the
/// run, and the FLOPs are the mean over the patterns. Weights count as owned; on the
/// CPU those of a mapped file in the model's own dtype are not in the counters. Throws UsageError where
/// nothing learns, for sizes whose bytes 64 bits do not count, and as parse_attention_spec.
StepPlan plan_step(const MakeModel& make, const TrainSettings& settings, Checkpointing checkpointing,
                   Planning::Count count = Planning::Count::memory_and_flops);
/// With those that the settings ask for: on all, off none; auto all too, the least that its choice
/// (train/run/checkpointing.h) takes.
StepPlan plan_step(const MakeModel& make, const TrainSettings& settings);

/// The longest context, in steps of 256 tokens, whose plan is at most `bytes`; 0 when none is.
int64_t longest_context(const MakeModel& make, const TrainSettings& settings, int64_t bytes);

/// "13.5 GB", "318 MB"
std::string readable_bytes(int64_t bytes);
/// "1.3 GB (weights 21 MB, ...)"
std::string describe(const StepPlan& plan);

/// What of the planned bytes lies on the device already: nothing, the base's weights, or the adapters too.
enum class There { nothing, weights, model };

/// The planned bytes that are not there yet.
int64_t still_needed(const StepPlan& plan, There there);

/// Throws Error with both figures and what to change when the plan does not fit into what is `available` on
/// the device beside what is there; -1: not known, all fits.
void check_memory(const StepPlan& plan, int64_t available, There there);
/// The same with what the plan's device has free now; nothing where the settings say `force`.
void check_memory(const StepPlan& plan, const TrainSettings& settings, There there);

}  // namespace scca
