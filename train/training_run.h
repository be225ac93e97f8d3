#pragma once
// What pretrain and finetune share between their flags and the loop: data, the run's folder, the end.
#include <functional>
#include <nlohmann/json.hpp>

#include "models/llama.h"
#include "models/tokenizer.h"
#include "train/run_folder.h"
#include "train/settings.h"

namespace scca {

/// Throws Error when the tokenizer has ids that the model has no row for.
void check_vocabulary(const Tokenizer& tokenizer, const LlamaConfig& config);

/// Tokenises the data, makes or takes up the run's folder, and trains. `write_outputs` is called at every
/// save. `given` is the base's config as it was before the run's RoPE. Returns the exit code: 0, or 1 after
/// Ctrl-C.
int run_training(Llama& model, const LlamaConfig& given, const Tokenizer& tokenizer,
                 const TrainSettings& train, nlohmann::json settings,
                 const std::function<void(const RunFolder& run)>& write_outputs);

}  // namespace scca
