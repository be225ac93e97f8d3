#pragma once
// What lengths a model's positions are made for. One rule for every command that trains, runs or judges a
// model at some length, and for the next scaling of a model that is scaled already.
#include <cstdint>
#include <optional>
#include <string>

#include "models/config.h"

namespace scca {

struct RopeLengths {
  int64_t original = 0;  // L0: tokens of pretraining
  double unit = 0;       // tokens for each 1 of the factor: made_for = floor(unit * factor)
  int64_t made_for = 0;  // tokens that the positions are made for
};

/// With M = max_position_embeddings, L0 = original_max_position_embeddings (where absent, M) and factor f:
///   none                   L0 = made_for = M; ntk comes back from a config.json as none with another theta
///   linear, dynamic, yarn  made_for = f L0, whatever M is
///   ntk, llama3, longrope  made_for = M where M > L0 (LLaMA 3.1: f = 8, L0 = 8192, M = 131072), else f L0
/// So linear without L0 is read as Hugging Face documents it, M being the length before scaling, though there
/// are models (LLaMA-2-7B-32K) whose M is the length after it: rope.original_assumed says that it was a
/// guess. dynamic's formula has M for L0 and reads no other length.
RopeLengths rope_lengths(const LlamaConfig& config);

/// The type by which a model is stretched where none is chosen: its own; where it is not scaled YaRN, which
/// keeps more of a model than any other here (train/demo/study).
RopeType stretching_type(const LlamaConfig& config);

/// The least whole factor of that type that makes the positions for `tokens`; empty where no factor can
/// (longrope).
std::optional<double> factor_for(const LlamaConfig& config, int64_t tokens);

/// The config with positions scaled by `type`. The factor is `factor` where given. Without one it is the
/// least whole number that makes them for `context` tokens, and never less than the config has; what is made
/// for `context` already comes back as it is, and so does longrope, whose lists of divisors are for one
/// length. A config scaled by another type is scaled from its L0, for no fewer tokens than it was made for.
/// An attention_factor that is the old factor's by the formula goes with the factor. Throws Error for a
/// factor that makes more tokens than a config can say, and as with_rope.
LlamaConfig extended(const LlamaConfig& config, RopeType type, std::optional<double> factor, int64_t context);

/// "base length 512, type linear, factor 8, made for 4096 tokens"
std::string describe_rope(const LlamaConfig& config);

/// What was assumed of a config that leaves its lengths open, as a sentence; empty where nothing was.
std::string rope_assumption(const LlamaConfig& config);

}  // namespace scca
