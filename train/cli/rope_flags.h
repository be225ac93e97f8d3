#pragma once
// --rope and --rope-factor: what they make of a model that may be scaled already, and what a run says of it.
#include <cstdint>
#include <string>

#include "models/config.h"
#include "train/cli/model_flags.h"

namespace scca {

/// --rope and --rope-factor.
SettingTable rope_settings(ModelFlags& flags);

/// The config as the base and its adapter have it, without the flags. Reads no weights.
LlamaConfig given_config(const ModelFlags& flags);

/// `given` under the flags, to be run at `context` tokens (0: at no length in particular). Without flags it
/// is `given`; with a factor that factor; with a type alone as extended() has it: for `context` tokens, and
/// never for less than before. Throws UsageError for flags that do not fit each other or the model.
LlamaConfig with_rope_flags(const LlamaConfig& given, const ModelFlags& flags, int64_t context);

/// The flags of a training at a longer context: as they are where any is given; otherwise the base's own
/// type, linear interpolation where it has none, so that its factor rises as far as the context needs.
ModelFlags with_default_rope(ModelFlags flags);

/// Throws UsageError when positions for `context` tokens are asked for by no flag, and the base's type has no
/// factor to raise (longrope): a run would train beyond what they are made for without anyone saying so.
void check_extension(const LlamaConfig& given, const ModelFlags& flags, int64_t context);

/// The flags with which the positions are made for `tokens`: "--rope-factor 8", with "--rope yarn" before
/// it for a model that is not scaled; empty where none can do it (longrope).
std::string rope_advice(const LlamaConfig& config, int64_t tokens);

/// A warning on stderr when `tokens` are more than the positions are made for, with the flags that stretch
/// them. That is no error: a base beyond its context is worth looking at.
void warn_beyond_context(const LlamaConfig& config, int64_t tokens);

/// On stderr: one line with base length, type, factor and the length made for, what the flags replaced or a
/// training raised, and what was assumed of `given`; then warn_beyond_context.
void announce_rope(const LlamaConfig& given, const LlamaConfig& now, int64_t tokens);

}  // namespace scca
