#pragma once
// Which token comes next: settings, and one draw.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nn/patterns/spec.h"

namespace scca {

/// What narrows the choice does so in this order, as in transformers: repetition_penalty, temperature, top_k,
/// top_p, min_p. (llama.cpp divides by the temperature last.)
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
  int64_t top_k = 0;  // sample among so many likeliest tokens; 0: all
  double min_p = 0;   // and only those that have this share of the likeliest one's probability; 0: all
  // Logits of tokens that stand in the prompt or in the answer are divided by it, negative ones multiplied;
  // 1: as they are. Keskar et al., arXiv 1909.05858, section 4.1; over the whole text, as transformers has
  // it, where llama.cpp looks at the last 64 tokens.
  double repetition_penalty = 1;
  std::vector<std::string> stop = {};  // texts that end the answer and are not part of it; see generate_text

  /// Throws UsageError naming the setting: a negative temperature, top_k or min_tokens, a top_p outside (0,
  /// 1], a min_p outside [0, 1], a repetition_penalty that is not above 0, max_tokens < 1, a stop that is
  /// empty or no UTF-8.
  void validate() const;
};

/// The next token after these logits (f32, one row). `uniform` in [0, 1) decides; temperature 0 ignores it,
/// ties go to the lowest id.
int32_t sample(const std::vector<float>& logits, const SamplingOptions& options, double uniform);

/// Applies a repetition penalty to the logits of `ids`, each of which comes once; those beyond the logits are
/// passed over.
void penalise(std::vector<float>& logits, std::span<const int32_t> ids, double penalty);

}  // namespace scca
