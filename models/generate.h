#pragma once
// Continuing a text, token by token, with a key/value cache.
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/llama.h"

namespace scca {

struct SamplingOptions {
  int64_t max_tokens = 128;
  double temperature = 0.8;  // 0: always the likeliest token
  double top_p = 0.95;       // sample among the fewest likeliest tokens that hold this share; 1: all
  uint64_t seed = 0;
  std::optional<AttentionSpec> attention = {};  // empty: the model's own
  bool stop_at_eos = true;
  std::vector<int32_t> stop_ids = {};  // end the text as EOS does
  int64_t min_tokens = 0;              // so many come before the text may end
  // Ids from here on are never sampled: models are padded beyond their tokenizer's vocabulary. 0: all may
  // come.
  int64_t vocabulary = 0;

  /// Throws UsageError for a negative temperature, a top_p outside (0, 1] or max_tokens < 1.
  void validate() const;
};

/// The next token after these logits (f32, one row). `uniform` in [0, 1) decides; temperature 0 ignores it,
/// ties go to the lowest id.
int32_t sample(const std::vector<float>& logits, const SamplingOptions& options, double uniform);

/// Throws Error naming the position, the id and the value of the first logit that is not a finite number: the
/// logits [.., V] of tokens from `first_position` on, `vocabulary` of them a token.
void check_logits(std::span<const float> logits, int64_t vocabulary, int64_t first_position);

/// Throws UsageError when a text cannot grow from `prompt` tokens by `max_tokens` under this attention (where
/// none is given, the model's own): where
/// it would change what earlier tokens see (chunks of N/4, a plan file), no two tokens of the text would come
/// from the same model. The message gives the spec with lengths in tokens where that is the cure.
void check_growth(const LlamaConfig& config, const std::optional<AttentionSpec>& attention, int64_t prompt,
                  int64_t max_tokens);

/// The tokens that follow `prompt` (not empty), without the EOS that ended them. The same seed gives the same
/// text. `on_token`, if given, hears of each token as it comes and stops the text by returning false.
/// Each token's logits are those of a pass without a cache over all tokens before it, to rounding. So RoPE
/// that looks at the length (dynamic beyond L0 tokens, longrope where it crosses L0) costs a pass over the
/// whole text each time that its angles change: dynamic beyond L0 one for each token. Throws as check_growth
/// and check_logits.
std::vector<int32_t> generate(const Llama& model, const std::vector<int32_t>& prompt,
                              const SamplingOptions& options,
                              const std::function<bool(int32_t)>& on_token = {});

}  // namespace scca
