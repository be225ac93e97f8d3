#pragma once
// How well a model predicts a text: perplexity and loss by position, in the two ways that papers report it.
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "models/llama.h"
#include "train/evaluation/losses.h"

namespace scca {

/// Tokens of one forward pass, where windows are shorter: enough to fill the matrix products, little enough
/// to stay in the cache.
inline constexpr int64_t kTokensPerPass = 4096;

/// windows: every window of N tokens is scored whole (LongLoRA, arXiv 2309.12307, section 4.1).
/// sliding: each token is scored once, in a window that holds up to N tokens (those before it are context).
enum class EvaluationMode { windows, sliding };

struct EvaluationOptions {
  int64_t context = 0;  // N, tokens of a window
  int64_t stride = 0;   // tokens from window to window; 0: N for windows, N/2 for sliding
  EvaluationMode mode = EvaluationMode::windows;
  std::optional<AttentionSpec> attention = {};  // empty: the model's own
  /// Where documents begin in the tokens, ascending: those in a window do not see each other, none is
  /// predicted from the one before, and a position counts from its document's beginning in the window. Empty:
  /// a window is one text. With windows side by side alone.
  std::optional<DocumentStarts> documents = {};

  int64_t actual_stride() const;
  /// Throws UsageError for a context below 2, a stride that leaves tokens of a sliding evaluation unscored,
  /// and documents apart with a stride or when sliding.
  void validate() const;
};

/// Tokens [begin, begin + count) of the data, of which those from `first_scored` (>= 1: the first token of a
/// window has nothing before it) are scored.
struct Window {
  int64_t begin = 0, count = 0, first_scored = 1;
};

/// windows: [a S, a S + N), a short last one dropped. sliding: the same but scoring only what no window
/// before has scored, and a last one, cut at the end of the data, for the rest. Throws Error when the data is
/// shorter than a window.
std::vector<Window> evaluation_windows(int64_t tokens, const EvaluationOptions& options);

/// One entry per scored token, in order.
struct TokenLosses {
  std::vector<float> loss;        // nats
  std::vector<int32_t> window;    // which window it was scored in
  std::vector<int32_t> position;  // tokens before it in that window; of packed documents, in its document
};

/// Tokens with `from` to `to` - 1 tokens before them in their window.
struct PositionBucket {
  int64_t from = 0, to = 0, tokens = 0;
  double nll = 0;
};

/// [0, 256), then doubling.
PositionBucket bucket_of(int64_t position);

struct Evaluation {
  double nll = 0;                                // mean, nats per scored token
  double perplexity = 0;                         // exp(nll)
  int64_t tokens = 0;                            // scored
  std::vector<PositionBucket> by_position = {};  // those that hold tokens
  TokenLosses losses = {};
};

/// Heard after each forward pass: tokens scored, tokens there are to score, mean loss so far.
using EvaluationProgress = std::function<void(int64_t done, int64_t total, double nll)>;

/// Windows shorter than kTokensPerPass run several at a time. Throws Error when an id is beyond the model's
/// vocabulary, the data is shorter than a window, or a loss is not finite; UsageError as validate().
Evaluation evaluate(const Llama& model, const std::vector<int32_t>& tokens, const EvaluationOptions& options,
                    const EvaluationProgress& progress = {});

/// The means of losses that are at hand.
Evaluation summarise(TokenLosses losses);

/// perplexity, nll, tokens, by_position: what `scca eval --json` prints.
nlohmann::json to_json(const Evaluation& evaluation);
/// The same figures back, without the losses and the buckets' numbers of tokens, which are not there. Throws
/// nlohmann's exceptions for what to_json did not write.
void from_json(const nlohmann::json& json, Evaluation& evaluation);

/// The losses of an evaluation in windows without documents apart, a row for each, with what was scored in
/// words that scca compare can tell apart. `starts`: where documents begin in the tokens, ascending; empty:
/// not known.
Losses losses_of(const Evaluation& evaluation, const std::vector<int32_t>& tokens,
                 const EvaluationOptions& options, const DocumentStarts& starts = {});

}  // namespace scca
