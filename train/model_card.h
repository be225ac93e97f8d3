#pragma once
// The README.md beside an adapter: what it is, how it was trained, and how to load it so that its positions
// are right.
#include <optional>
#include <string>

#include "models/adapter.h"
#include "models/config.h"
#include "train/settings.h"

namespace scca {

/// What a run came to, as far as it is known.
struct RunNumbers {
  int64_t step = 0;
  std::optional<double> last_loss;  // of the training, nats a token
  std::optional<double> before,
      after;              // loss under full attention, nats a token: of the base, and with the adapter
  std::string judged_on;  // what these two were measured on: "8192 tokens of --eval-data"
};

/// A Hugging Face model card in Markdown. `base` and `trained` are the config before and with the run's RoPE;
/// `run` names the adapter. Names from outside are shown as code, without control characters.
///
/// PEFT reads adapter_config.json but not the config.json beside it: an adapter loaded onto its base as it is
/// turns positions by the unscaled angles. The card gives the lines that load it right.
std::string model_card(const std::string& run, const AdapterInfo& adapter, const LlamaConfig& base,
                       const LlamaConfig& trained, const TrainSettings& train, const RunNumbers& numbers);

}  // namespace scca
