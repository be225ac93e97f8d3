#pragma once
// Adapters in the form of PEFT 0.x (adapter_config.json, adapter_model.safetensors), so that either side
// reads the other's.
#include <filesystem>
#include <string>

#include "models/adapter_config.h"
#include "models/llama.h"

namespace scca {

/// Writes folder/adapter_config.json, adapter_model.safetensors and config.json (the model's, with the RoPE
/// scaling and length it was trained with). The tensors are LoRA's A and B under
/// base_model.model.<name>.lora_A.weight, and every learning weight of the base as base_model.model.<name>.
/// With a tied embedding lm_head.weight is stored too, the same values: PEFT's loader unties a saved
/// embedding, and without it would score with the base's head. The file's metadata has a hash of what it
/// holds.
void save_adapter(Llama& model, const AdapterInfo& info, const std::string& folder);

/// The base's config with the RoPE and length of the adapter's config.json, of which nothing else is read;
/// PEFT's own folders have none, and the base's stay. A run's folder is taken at its adapter/.
LlamaConfig with_rope_of_adapter(const LlamaConfig& base, const std::filesystem::path& folder);

/// Puts an adapter onto its base: LoRA updates, saved weights, and its RoPE. Updates of the embedding and the
/// head are added into them. A run's folder is taken at its adapter/. Where the base ties its head to its
/// embedding and the adapter changes only one of them, or each in its own way, the model is untied, as PEFT
/// does: model.config.tie_word_embeddings is false then. Throws Error naming the tensor or key that does not
/// fit: every tensor must have a place in the base, and every layer that the config targets its tensors; or
/// the file whose bytes are not those of its hash.
AdapterInfo load_adapter(Llama& model, const std::filesystem::path& folder);

}  // namespace scca
