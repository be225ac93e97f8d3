#pragma once
// A model in a GGUF file, in the words of a Hugging Face folder: its settings as a config.json, its tensors
// by the names, shapes and row order that models/llama.h knows. And the way back.
#include <cstdint>
#include <map>
#include <string>

#include "models/config.h"
#include "models/files/gguf.h"

namespace scca {

/// The settings as config.json would have them: sizes, RoPE, ids, whether the head is the embedding (there is
/// no output.weight). LLaMA 3.1's scaling is in the file as a tensor of divisors, rope_freqs.weight, and is
/// recognised by it. Throws Error for an architecture, a setting of the model and a scaling that are not
/// implemented, by their names.
Json gguf_config(const GgufFile& file);

/// The tensors by their names in a Hugging Face folder, but for those that are part of the settings. A name
/// without a counterpart stays as it is.
std::map<std::string, StoredTensor> gguf_tensors(const GgufFile& file);

/// "blk.3.attn_q.weight" of "model.layers.3.self_attn.q_proj.weight". Throws Error for a name that GGUF has
/// no word for.
std::string gguf_name(const std::string& name);

/// general.architecture of such a model: "llama". Throws Error for a family that llama.cpp has no word for.
std::string gguf_architecture(const LlamaConfig& config);

/// The rows of a head where the file of such a model has the rows of this tensor interleaved
/// (StoredTensor::interleaved); 0 where they stand in their order.
int64_t gguf_interleaved(const std::string& name, const LlamaConfig& config);

/// The settings of the model, general.* and ARCHITECTURE.*, without those of the tokenizer; and the divisors
/// of llama3's RoPE as a tensor. Throws Error for RoPE that the format has no words for.
void set_gguf_config(GgufContent& content, const LlamaConfig& config);

}  // namespace scca
