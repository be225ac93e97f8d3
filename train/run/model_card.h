#pragma once
// The README.md beside an adapter: what it is, how it was trained, and how to load it so that its positions
// are right.
#include <string>

#include "models/adapter.h"
#include "models/config.h"
#include "train/run/run_numbers.h"
#include "train/run/settings.h"

namespace scca {

/// A Hugging Face model card in Markdown. `base` and `trained` are the config before and with the run's RoPE;
/// `folder` is where the adapter lies. Names from outside are shown as code, without control characters.
///
/// PEFT reads adapter_config.json but not the config.json beside it: an adapter loaded onto its base as it is
/// turns positions by the unscaled angles. The card gives the lines that load it right.
std::string model_card(const std::string& folder, const AdapterInfo& adapter, const LlamaConfig& base,
                       const LlamaConfig& trained, const TrainSettings& train, const RunNumbers& numbers);

}  // namespace scca
