#pragma once
// The attention that a model was made with: full, or the sliding window of its config.json (Mistral 7B, arXiv
// 2310.06825). Training, evaluation and generation follow it where nobody names another pattern.
#include <optional>
#include <string>

#include "models/config.h"
#include "nn/patterns/spec.h"

namespace scca {

/// As a spec: "full", "window(chunk=4096)", or "full@0,1;window(chunk=4096)" where layers 0 and 1 have no
/// window. A window of w tokens is i - w < j <= i in transformers too.
std::string own_attention_text(const LlamaConfig& config);
AttentionSpec own_attention(const LlamaConfig& config);
/// The pattern given, or the model's own.
AttentionSpec attention_for(const LlamaConfig& config, const std::optional<AttentionSpec>& given);

/// "full attention", or the spec of a model with a window.
std::string own_attention_name(const LlamaConfig& config);

/// Sets sliding_window and full_layers from the family's keys: sliding_window, use_sliding_window,
/// max_window_layers and layer_types. Throws Error naming a key whose value is of the wrong kind, and a
/// layer_types that contradicts the others or that the family's own code does not read.
void read_own_attention(const JsonFields& fields, LlamaConfig& config);
/// The same keys in `json`.
void write_own_attention(const LlamaConfig& config, Json& json);
/// Throws Error beginning with `where` for a window that the family cannot have.
void check_own_attention(const LlamaConfig& config, const std::string& where);

}  // namespace scca
