#include "train/cli/ready_model.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "models/own_attention.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/rope_flags.h"
#include "train/data/bos.h"

namespace scca {
namespace {

Llama load_checked(const ModelFlags& flags, const std::optional<AttentionSpec>& attention, int64_t context) {
  Llama model = load_model(flags, context);
  model.attention_of(attention).check_layers(model.config.num_hidden_layers);
  return model;
}

}  // namespace

void add_attention_flag(CLI::App& app, std::optional<std::string>& attention) {
  begin_section(app, section::kAttention);
  app.add_option(
         "--attention", attention,
         "Attention pattern: a spec, see scca patterns (default: the model's own, which is full or the "
         "sliding window of its config.json)")
      ->transform(some_pattern());
}

std::optional<AttentionSpec> attention_given(const std::optional<std::string>& flag) {
  return flag ? std::optional(parse_attention_spec(*flag)) : std::nullopt;
}

void announce_own_attention(const LlamaConfig& config, const std::optional<AttentionSpec>& given) {
  if (!given && config.sliding_window > 0)
    std::cerr << "attention: " << own_attention_text(config) << ", the model's own\n";
}

ReadyModel::ReadyModel(const ModelFlags& flags, const std::optional<AttentionSpec>& attention,
                       int64_t context)
    : flags_(flags),
      attention_(attention),
      model_(load_checked(flags, attention, context)),
      tokenizer_(load_tokenizer(flags)) {}

ReadyModel::ReadyModel(const ModelFlags& flags, const std::optional<AttentionSpec>& attention,
                       int64_t context, Tokenizer tokenizer)
    : flags_(flags),
      attention_(attention),
      model_(load_checked(flags, attention, context)),
      tokenizer_(std::move(tokenizer)) {}

void ReadyModel::announce(int64_t tokens) const {
  announce_rope(given_config(flags_), model_.config, tokens);
  announce_own_attention(model_.config, attention_);
}

void ReadyModel::announce(int64_t tokens, const std::string& bos, const std::string& where) const {
  announce(tokens);
  announce_bos(bos, tokenizer_, where);
}

}  // namespace scca
