#include "train/cli/rope_flags.h"

#include <cmath>
#include <iostream>

#include "core/check.h"
#include "models/adapter.h"
#include "models/rope_lengths.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/setting_table.h"

namespace scca {
namespace {

RopeType type_named(const std::string& name) {
  const std::optional<RopeType> type = rope_type_of(name);
  if (!type) fail<UsageError>("--rope ", name, ": expected one of ", rope_type_names());
  return *type;
}

RopeType type_of(const LlamaConfig& given, const ModelFlags& flags) {
  if (flags.rope.empty()) return given.rope.type == RopeType::none ? RopeType::linear : given.rope.type;
  const RopeType type = type_named(flags.rope);
  if (type == RopeType::longrope && given.rope.long_factor.empty())
    fail<UsageError>(
        "--rope longrope: it divides by the lists short_factor and long_factor of config.json, and this "
        "model's has none; choose another type, or add them there");
  return type;
}

/// "; raised from factor 4", "; in place of type linear, factor 4": what a run did to the given RoPE.
std::string change(const RopeScaling& given, const RopeScaling& now) {
  if (given == now || given.type == RopeType::none) return "";
  if (given.type != now.type)
    return concat("; in place of the model's type ", name_of(given.type), ", factor ", given.factor);
  return concat("; ", now.factor > given.factor ? "raised" : "lowered", " from the model's factor ",
                given.factor);
}

}  // namespace

SettingTable rope_settings(ModelFlags& flags) {
  const auto is_type = [](const std::string& name) {
    if (!name.empty()) type_named(name);
  };
  return {{.name = "rope",
           .member = &flags.rope,
           .section = section::kAttention,
           .help = "RoPE scaling in place of the config's: " + rope_type_names(),
           .type = "TYPE",
           .accepts = is_type},
          {.name = "rope_factor",
           .member = &flags.rope_factor,
           .section = section::kAttention,
           .help = "How much longer than pretrained the context is (default: what the context needs, and "
                   "never less than the model has)",
           .takes = real_number(),
           .range = CLI::Range(1.0, 1e6)}};
}

LlamaConfig given_config(const ModelFlags& flags) {
  const LlamaConfig base = read_config(flags.model);
  return flags.adapter.empty() ? base : with_rope_of_adapter(base, flags.adapter);
}

LlamaConfig with_rope_flags(const LlamaConfig& given, const ModelFlags& flags, int64_t context) {
  if (flags.rope.empty() && !flags.rope_factor) return given;
  const RopeType type = type_of(given, flags);
  if (type == RopeType::none && flags.rope_factor.value_or(1) > 1)
    fail<UsageError>("--rope-factor ", *flags.rope_factor, ": --rope none has no factor");
  if (!flags.rope_factor && context == 0 && type != given.rope.type && type != RopeType::none)
    fail<UsageError>("--rope ", flags.rope, " needs --rope-factor");
  return extended(given, type, flags.rope_factor, context);
}

ModelFlags with_default_rope(ModelFlags flags) {
  if (!flags.rope.empty() || flags.rope_factor) return flags;
  const RopeType type = read_config(flags.model).rope.type;
  flags.rope = name_of(type == RopeType::none ? RopeType::linear : type);
  return flags;
}

void check_extension(const LlamaConfig& given, const ModelFlags& flags, int64_t context) {
  const int64_t made_for = rope_lengths(with_rope_flags(given, flags, context)).made_for;
  if (flags.rope_factor || given.rope.type != RopeType::longrope || context <= made_for) return;
  if (flags.rope.empty() || flags.rope == name_of(RopeType::longrope))
    fail<UsageError>("--context ", context, ": this model's longrope has lists of divisors for ", made_for,
                     " tokens and no factor to raise; choose --context ", made_for,
                     " or less, or a model with lists for that length");
}

void warn_beyond_context(const LlamaConfig& config, int64_t tokens) {
  const int64_t made_for = rope_lengths(config).made_for;
  if (tokens <= made_for) return;
  const std::string advice = rope_advice(config, tokens);
  std::cerr << "warning: " << tokens << " tokens are more than the " << made_for
            << " this model's positions are made for; "
            << (advice.empty() ? std::string("its longrope has lists for no more")
                               : advice + " stretches them")
            << "\n";
}

void announce_rope(const LlamaConfig& given, const LlamaConfig& now, int64_t tokens) {
  const std::string assumption = rope_assumption(given);
  std::cerr << "RoPE: " << describe_rope(now) << change(given.rope, now.rope)
            << (assumption.empty() ? "" : "; ") << assumption << "\n";
  warn_beyond_context(now, tokens);
}

}  // namespace scca
