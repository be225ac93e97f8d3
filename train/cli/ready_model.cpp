#include "train/cli/ready_model.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "train/cli/help.h"
#include "train/cli/rope_flags.h"
#include "train/data/bos.h"

namespace scca {
namespace {

Llama load_checked(const ModelFlags& flags, const AttentionSpec& attention, int64_t context) {
  Llama model = load_model(flags, context);
  attention.check_layers(model.config.num_hidden_layers);
  return model;
}

}  // namespace

void add_attention_flag(CLI::App& app, std::string& attention) {
  begin_section(app, section::kAttention);
  app.add_option("--attention", attention, "Attention pattern: a spec, see scca patterns")
      ->type_name("SPEC")
      ->capture_default_str();
}

ReadyModel::ReadyModel(const ModelFlags& flags, const AttentionSpec& attention, int64_t context)
    : flags_(flags), model_(load_checked(flags, attention, context)), tokenizer_(load_tokenizer(flags)) {}

ReadyModel::ReadyModel(const ModelFlags& flags, const AttentionSpec& attention, int64_t context,
                       Tokenizer tokenizer)
    : flags_(flags), model_(load_checked(flags, attention, context)), tokenizer_(std::move(tokenizer)) {}

void ReadyModel::announce(int64_t tokens) const {
  announce_rope(given_config(flags_), model_.config, tokens);
}

void ReadyModel::announce(int64_t tokens, const std::string& bos, const std::string& where) const {
  announce(tokens);
  announce_bos(bos, tokenizer_, where);
}

}  // namespace scca
