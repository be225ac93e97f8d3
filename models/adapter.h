#pragma once
// Adapters in the form of PEFT 0.x (adapter_config.json, adapter_model.safetensors), so that either side
// reads the other's.
#include <set>
#include <string>

#include "models/llama.h"

namespace scca {

struct AdapterInfo {
  LoraOptions lora;
  std::set<std::string> trained;  // of the base: embed, norm, head
  std::string base_model;         // where the base lies, for the reader of the file
};

/// Writes folder/adapter_config.json, adapter_model.safetensors and config.json (the model's, with the RoPE
/// scaling and length it was trained with). The tensors are LoRA's A and B under
/// base_model.model.<name>.lora_A.weight, and every learning weight of the base as base_model.model.<name>.
/// With a tied embedding lm_head.weight is stored too, the same values: PEFT's loader unties a saved
/// embedding, and without it would score with the base's head.
void save_adapter(Llama& model, const AdapterInfo& info, const std::string& folder);

/// Puts an adapter onto its base: LoRA updates, saved weights, and the RoPE scaling of the folder's
/// config.json (PEFT's own folders have none; the base's stays). Throws Error naming the tensor or key that
/// does not fit.
AdapterInfo load_adapter(Llama& model, const std::string& folder);

}  // namespace scca
