#pragma once
// What a command that asks a model something does between its flags and its work.
#include <cstdint>
#include <optional>
#include <string>

#include "models/llama.h"
#include "models/tokenizer/tokenizer.h"
#include "train/cli/model_flags.h"

namespace scca {

/// --attention, under which the model is asked; empty where the flag is not given.
void add_attention_flag(CLI::App& app, std::optional<std::string>& attention);
/// What the flag says. Throws UsageError as parse_attention_spec.
std::optional<AttentionSpec> attention_given(const std::optional<std::string>& flag);
/// Of a model with a sliding window, on stderr: that it is what the model sees, where no pattern is given.
void announce_own_attention(const LlamaConfig& config, const std::optional<AttentionSpec>& given);

/// The flags' model, with an attention of its own where none is given, with RoPE for `context` tokens
/// (load_model), and its tokenizer. Errors come in this order: the model's, then a layer that the attention
/// names and the model has not (UsageError), then the tokenizer's.
class ReadyModel {
 public:
  ReadyModel(const ModelFlags& flags, const std::optional<AttentionSpec>& attention, int64_t context);
  /// With a tokenizer that is at hand: who reads a prompt first has loaded it.
  ReadyModel(const ModelFlags& flags, const std::optional<AttentionSpec>& attention, int64_t context,
             Tokenizer tokenizer);

  const Llama& model() const { return model_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const LlamaConfig& config() const { return model_.config; }
  /// The pattern given, or the model's own.
  const AttentionSpec& attention() const { return model_.attention_of(attention_); }

  /// On stderr, once nothing can be refused any more: what positions `tokens` tokens have (announce_rope),
  /// and announce_own_attention.
  void announce(int64_t tokens) const;
  /// And whether BOS stands `where` (announce_bos).
  void announce(int64_t tokens, const std::string& bos, const std::string& where) const;

 private:
  ModelFlags flags_;
  std::optional<AttentionSpec> attention_;
  Llama model_;
  Tokenizer tokenizer_;
};

}  // namespace scca
