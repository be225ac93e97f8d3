#pragma once
// What research changes in attention's scores before the softmax: biases by distance, caps, temperatures, a
// sink. The reference kernel (ops/attention_reference.cpp) applies them, at sizes where an idea is tried.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace scca {

/// Which score it is.
struct ScorePlace {
  int64_t head, query, key;  // positions in the text
};
/// The score that stands in the place of s, and its derivative by s: where the score is -inf, the query does
/// not see the key, and the derivative is 0.
struct ChangedScore {
  double score, derivative;
};

/// A change of scores, which names itself in messages. One without a name changes nothing. A change of one's
/// own is such a struct, filled in:
///
///   ScoreChange{.name = "near(16)", .apply = [](double s, const ScorePlace& at) {
///     return ChangedScore{at.query - at.key < 16 ? s : s - 1, 1};
///   }}
struct ScoreChange {
  std::string name = {};
  std::function<ChangedScore(double s, const ScorePlace& at)> apply = {};  // empty: scores stay as they are
  Tensor sink_H = {};  // one more logit a head, to which no value belongs; empty: none
  int64_t heads = 0;   // how many it is for; 0: any number

  explicit operator bool() const { return !name.empty(); }
};

/// s - slope[head] |query - key| (Press et al., arXiv 2108.12409, section 3).
ScoreChange alibi(const std::vector<double>& slopes);
/// The slopes of that paper: 2^(-8 h / heads) for the h-th of a power of two of heads, from h = 1 on. Other
/// numbers take those of the power of two below them, then every second one of the power above.
std::vector<double> alibi_slopes(int64_t heads);

/// cap tanh(s / cap) (Gemma 2, arXiv 2408.00118, section 2). Throws Error when cap is not above 0.
ScoreChange softcap(double cap);

/// s / t: below 1 sharper, above 1 flatter. Throws Error when t is not above 0.
ScoreChange temperature(double t);

/// One more term e^logit[head] in the softmax's denominator, so that a head's weights add up to less than 1
/// (gpt-oss, arXiv 2508.10925, section 2.2: "a learned bias in the denominator of the softmax"). Its gradient
/// goes into `logit_H`, f64 [H]: cast() to it from what a model stores.
ScoreChange sink(const Tensor& logit_H);

/// Both, `second` after `first`: "softcap(30), alibi". A score of -inf stays -inf. Throws Error when both
/// have a sink, or are for different numbers of heads.
ScoreChange then(const ScoreChange& first, const ScoreChange& second);

}  // namespace scca
