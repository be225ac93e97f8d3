#pragma once
// Fine-tuning as one call: a pretrained model to a longer context, by LoRA, RoPE scaling and a sparse pattern
// in training. What `scca finetune` does once its flags are read, and `scca study` does once a pattern and
// seed.
#include <set>
#include <string>

#include "nn/lora.h"
#include "train/cli/model_flags.h"
#include "train/run/settings.h"

namespace scca {

struct FinetuneSettings {
  TrainSettings train;
  ModelFlags model;
  LoraOptions lora;
  std::set<std::string> learning{"embed", "norm"};  // of the base: some of embed, norm, head, or all or none

  /// Ends with the loss before and after under the model's own attention, and the commands to go on with.
  bool concluded = true;

  /// scca-fixed is the usual attention, where TrainSettings has full.
  FinetuneSettings();
};

/// LoRA's, and --train. Tables point into `settings`.
SettingTable lora_settings(FinetuneSettings& settings);
/// --positions and --target-context.
SettingTable position_settings(FinetuneSettings& settings);
/// All of a fine-tuning's: the model's, RoPE's, LoRA's, TrainSettings', and what the run records besides.
SettingTable finetune_settings(FinetuneSettings& settings);

/// Throws what finetune would for its settings, its model, or a step that does not fit in memory: before
/// anything is written. It loads the model and lets it go.
void check_finetune(FinetuneSettings settings);

/// Trains in settings.train.out and leaves the adapter in its folder adapter/. RoPE as with_default_rope
/// (train/cli/rope_flags.h). Returns the exit code: 0, or 1 after
/// Ctrl-C, with everything saved. Throws UsageError for settings without a meaning, Error as Trainer.
int finetune(FinetuneSettings settings);

}  // namespace scca
