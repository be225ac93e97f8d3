#pragma once
// The families of model that models/llama builds: LLaMA, and those that differ from it by a line. A row of
// the table is all that tells two of them apart. How a config.json is read and written, and which of its keys
// are understood, follow from it.
#include <cstdint>
#include <span>
#include <vector>

#include "models/files/known_fields.h"
#include "nn/json.h"

namespace scca {

/// Which layers may see a window alone.
enum class Windows {
  none,
  all_layers,   // sliding_window, where it is not null: every layer's
  some_layers,  // where use_sliding_window is true: of those that layer_types or max_window_layers names
};

/// A family as transformers' modeling_<model_type>.py computes it.
struct Family {
  const char *model_type, *architecture;  // as config.json names it

  // What a key says that config.json leaves out (transformers' configuration_<model_type>.py).
  int64_t vocab_size, intermediate_size;
  int64_t num_key_value_heads;  // 0: num_attention_heads, as null is for all families
  int64_t head_dim;             // 0: hidden_size / num_attention_heads
  int64_t max_position_embeddings;
  int64_t bos_token_id, eos_token_id;  // -1: none

  // The lines by which it differs.
  bool qkv_bias = false;        // q, k and v have biases, and o has none; no key says so
  bool attention_bias = false;  // the key attention_bias: biases of q, k, v and o
  bool mlp_bias = false;        // the key mlp_bias: biases of gate, up and down
  bool head_norm = false;       // RMSNorm of each head of q and k, before RoPE
  Windows windows = Windows::none;
};

std::span<const Family> families();
/// LLaMA (1 to 3.x), TinyLlama, SmolLM: model_type "llama".
const Family& llama_family();

/// The family that model_type and architectures name. Throws Error for one that is not here, for names that
/// contradict each other, and where there are none.
const Family& family_of(const JsonFields& config);

/// The keys of a config.json of this family.
std::vector<KnownField> known_fields(const Family& family);

}  // namespace scca
