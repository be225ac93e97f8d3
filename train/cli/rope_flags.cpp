#include "train/cli/rope_flags.h"

#include <cmath>
#include <iostream>

#include "core/check.h"
#include "models/adapter.h"
#include "models/rope_lengths.h"
#include "nn/rope_types.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/setting_table.h"

namespace scca {
namespace {

/// "short_factor and long_factor": the lists that a type divides by and that are not in `rope`.
std::string missing_lists(const RopeRow& row, const RopeScaling& rope) {
  std::string keys;
  for (const RopeField& field : row.fields) {
    const auto* list = std::get_if<std::vector<double> RopeScaling::*>(&field.member);
    if (list && (rope.*(*list)).empty()) keys += (keys.empty() ? "" : " and ") + std::string(field.key);
  }
  return keys;
}

RopeType type_named(const std::string& name) {
  const std::optional<RopeType> type = rope_type_of(name);
  if (!type) fail<UsageError>("--rope ", name, ": expected one of ", rope_type_names());
  return *type;
}

RopeType type_of(const LlamaConfig& given, const ModelFlags& flags) {
  if (flags.rope.empty()) return stretching_type(given);
  const RopeType type = type_named(flags.rope);
  if (const std::string lists = missing_lists(row_of(type), given.rope); !lists.empty())
    fail<UsageError>("--rope ", flags.rope, ": it divides by the lists ", lists,
                     " of config.json, and this model's has none; choose another type, or add them there");
  return type;
}

/// "; raised from factor 4", "; in place of type linear, factor 4": what a run did to the given RoPE.
std::string change(const RopeScaling& given, const RopeScaling& now) {
  if (given == now || !row_of(given.type).has_factor()) return "";
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
           .help = "RoPE scaling in place of the config's: " + rope_type_names() +
                   " (default, where it is stretched: its own type, or yarn if it has none)",
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
  const bool has_factor = row_of(type).has_factor();
  if (!has_factor && flags.rope_factor.value_or(1) > 1)
    fail<UsageError>("--rope-factor ", *flags.rope_factor, ": --rope ", name_of(type), " has no factor");
  if (!flags.rope_factor && context == 0 && type != given.rope.type && has_factor)
    fail<UsageError>("--rope ", flags.rope, " needs --rope-factor");
  return extended(given, type, flags.rope_factor, context);
}

ModelFlags with_default_rope(ModelFlags flags) {
  if (!flags.rope.empty() || flags.rope_factor) return flags;
  flags.rope = name_of(stretching_type(read_config(flags.model)));
  return flags;
}

void check_extension(const LlamaConfig& given, const ModelFlags& flags, int64_t context) {
  const int64_t made_for = rope_lengths(with_rope_flags(given, flags, context)).made_for;
  const RopeRow& row = row_of(given.rope.type);
  if (flags.rope_factor || !row.one_length || context <= made_for) return;
  if (flags.rope.empty() || flags.rope == row.name)
    fail<UsageError>("--context ", context, ": this model's ", row.name, " has lists of divisors for ",
                     made_for, " tokens and no factor to raise; choose --context ", made_for,
                     " or less, or a model with lists for that length");
}

std::string rope_advice(const LlamaConfig& config, int64_t tokens) {
  const std::optional<double> factor = factor_for(config, tokens);
  if (!factor) return "";
  const RopeType type = stretching_type(config);
  return concat(type == config.rope.type ? "" : concat("--rope ", name_of(type), " "), "--rope-factor ",
                *factor);
}

void warn_beyond_context(const LlamaConfig& config, int64_t tokens) {
  const int64_t made_for = rope_lengths(config).made_for;
  if (tokens <= made_for) return;
  const std::string advice = rope_advice(config, tokens);
  std::cerr << "warning: " << tokens << " tokens are more than the " << made_for
            << " this model's positions are made for; "
            << (advice.empty() ? concat("its ", name_of(config.rope.type), " has lists for no more")
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
