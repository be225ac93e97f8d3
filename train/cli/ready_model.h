#pragma once
// What a command that asks a model something does between its flags and its work.
#include <cstdint>
#include <string>

#include "models/llama.h"
#include "models/tokenizer.h"
#include "train/cli/model_flags.h"

namespace scca {

/// --attention, under which the model is asked.
void add_attention_flag(CLI::App& app, std::string& attention);

/// The flags' model, with RoPE for `context` tokens (load_model), and its tokenizer. Errors come in this
/// order: the model's, then a layer that the attention names and the model has not (UsageError), then the
/// tokenizer's.
class ReadyModel {
 public:
  ReadyModel(const ModelFlags& flags, const AttentionSpec& attention, int64_t context);
  /// With a tokenizer that is at hand: who reads a prompt first has loaded it.
  ReadyModel(const ModelFlags& flags, const AttentionSpec& attention, int64_t context, Tokenizer tokenizer);

  const Llama& model() const { return model_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const LlamaConfig& config() const { return model_.config; }

  /// On stderr, once nothing can be refused any more: what positions `tokens` tokens have (announce_rope).
  void announce(int64_t tokens) const;
  /// And whether BOS stands `where` (announce_bos).
  void announce(int64_t tokens, const std::string& bos, const std::string& where) const;

 private:
  ModelFlags flags_;
  Llama model_;
  Tokenizer tokenizer_;
};

}  // namespace scca
