#include "ops/score_change.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace scca {
namespace {

ChangedScore applied(const ScoreChange& change, double s, const ScorePlace& at) {
  return change.apply ? change.apply(s, at) : ChangedScore{s, 1};
}

}  // namespace

ScoreChange alibi(const std::vector<double>& slopes) {
  SCCA_CHECK(!slopes.empty(), "alibi: no slopes, expected one a head");
  return {.name = "alibi",
          .apply =
              [slopes](double s, const ScorePlace& at) {
                const auto distance = static_cast<double>(std::abs(at.query - at.key));
                return ChangedScore{s - slopes[static_cast<size_t>(at.head)] * distance, 1};
              },
          .heads = std::ssize(slopes)};
}

std::vector<double> alibi_slopes(int64_t heads) {
  SCCA_CHECK(heads >= 1, "alibi_slopes: ", heads, " heads, expected 1 or more");
  const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<double> slopes;
  for (int64_t h = 1; h <= power; ++h)
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(h) / static_cast<double>(power)));
  for (int64_t h = 1; std::ssize(slopes) < heads; h += 2)
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(h) / static_cast<double>(2 * power)));
  return slopes;
}

ScoreChange softcap(double cap) {
  SCCA_CHECK(cap > 0 && std::isfinite(cap), "softcap: cap is ", cap, ", expected a number above 0");
  return {.name = concat("softcap(", cap, ")"), .apply = [cap](double s, const ScorePlace&) {
            const double t = std::tanh(s / cap);
            return ChangedScore{cap * t, 1 - t * t};
          }};
}

ScoreChange temperature(double t) {
  SCCA_CHECK(t > 0 && std::isfinite(t), "temperature: t is ", t, ", expected a number above 0");
  return {.name = concat("temperature(", t, ")"), .apply = [t](double s, const ScorePlace&) {
            return ChangedScore{s / t, 1 / t};
          }};
}

ScoreChange sink(const Tensor& logit) {
  SCCA_CHECK(logit.rank() == 1 && logit.dtype() == DType::f64, "sink: logits are ", to_string(logit.shape()),
             " ", name_of(logit.dtype()), ", expected [heads] f64; cast() them");
  return {.name = "sink", .sink_H = logit, .heads = logit.size(0)};
}

ScoreChange then(const ScoreChange& first, const ScoreChange& second) {
  if (!first) return second;
  if (!second) return first;
  SCCA_CHECK(!first.sink_H || !second.sink_H, "then: both ", first.name, " and ", second.name,
             " have a sink, expected one");
  SCCA_CHECK(first.heads == 0 || second.heads == 0 || first.heads == second.heads, "then: ", first.name,
             " is for ", first.heads, " heads, ", second.name, " for ", second.heads);
  ScoreChange both{.name = first.name + ", " + second.name,
                   .sink_H = first.sink_H ? first.sink_H : second.sink_H,
                   .heads = std::max(first.heads, second.heads)};
  if (first.apply || second.apply) {
    both.apply = [first, second](double s, const ScorePlace& at) {
      const ChangedScore once = applied(first, s, at);
      if (once.score == -std::numeric_limits<double>::infinity()) return once;
      const ChangedScore twice = applied(second, once.score, at);
      return ChangedScore{twice.score, once.derivative * twice.derivative};
    };
  }
  return both;
}

}  // namespace scca
