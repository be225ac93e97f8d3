#pragma once
// Continuing a text, token by token, with a key/value cache.
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/llama.h"
#include "models/sampling.h"

namespace scca {

/// Throws Error naming the position, the id and the value of the first logit that is not a finite number: the
/// logits [.., V] of tokens from `first_position` on, `vocabulary` of them a token.
void check_logits(std::span<const float> logits, int64_t vocabulary, int64_t first_position);

/// Throws UsageError when a text cannot grow from `prompt` tokens by `max_tokens` under this attention (where
/// none is given, the model's own): where
/// it would change what earlier tokens see (chunks of N/4, a plan file), no two tokens of the text would come
/// from the same model. The message gives the spec with lengths in tokens where that is the cure.
void check_growth(const LlamaConfig& config, const std::optional<AttentionSpec>& attention, int64_t prompt,
                  int64_t max_tokens);

/// How long a text took. Its last token is not fed to the model, its first comes from the prompt's pass.
struct GenerationTimes {
  int64_t prompt_tokens = 0;  // that were computed: those of a kept cache are not
  double prompt_seconds = 0;  // until the first token could be sampled
  int64_t answer_tokens = 0;  // that were sampled behind the first
  double answer_seconds = 0;

  GenerationTimes& operator+=(const GenerationTimes& other);

  /// 0 where nothing was computed.
  double prompt_rate() const {
    return prompt_seconds > 0 ? static_cast<double>(prompt_tokens) / prompt_seconds : 0;
  }
  double answer_rate() const {
    return answer_seconds > 0 ? static_cast<double>(answer_tokens) / answer_seconds : 0;
  }
};

/// Continues texts. Keys and values of the last one are kept, so that a text which begins like it (a chat's
/// next turn) does not compute them again.
class Generator {
 public:
  /// The prompt enters the cache in chunks of so many tokens: neither logits nor activations follow its
  /// length.
  static constexpr int64_t kPromptChunk = 512;

  /// The model must outlive this.
  explicit Generator(const Llama& model, int64_t prompt_chunk = kPromptChunk);

  /// The tokens that follow `prompt` (not empty), without the EOS that ended them. The same seed gives the
  /// same text at any thread count, and to rounding whatever is kept and in whatever chunks. `on_token`, if
  /// given, hears of each token as it comes and stops the text by returning false.
  /// Each token's logits are those of a pass without a cache over all tokens before it, to rounding. So RoPE
  /// that looks at the length (dynamic beyond L0 tokens, longrope where it crosses L0) costs a pass over the
  /// whole text, in one chunk, each time that its angles change: dynamic beyond L0 one for each token. Throws
  /// as check_growth, check_logits and SamplingOptions::validate.
  std::vector<int32_t> operator()(const std::vector<int32_t>& prompt, const SamplingOptions& options,
                                  const std::function<bool(int32_t)>& on_token = {});

  /// Of the last text.
  const GenerationTimes& times() const { return times_; }

 private:
  std::vector<float> next_logits(const std::vector<int32_t>& tokens, const AttentionSpec& attention);
  void keep(const std::vector<int32_t>& prompt, int64_t capacity);

  const Llama& model_;
  int64_t prompt_chunk_;
  KeyValueCache cache_;
  std::vector<int32_t> cached_;  // the tokens in it
  GenerationTimes times_;
};

/// One text by a Generator of its own.
std::vector<int32_t> generate(const Llama& model, const std::vector<int32_t>& prompt,
                              const SamplingOptions& options,
                              const std::function<bool(int32_t)>& on_token = {});

}  // namespace scca
