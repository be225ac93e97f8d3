#include "models/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "models/tokenizer/utf8.h"

namespace scca {
namespace {

/// The likeliest ids, all or `count` of them, the likeliest first and the lowest first among equals.
std::vector<int32_t> likeliest(const std::vector<float>& logits, int64_t count) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  };
  const int64_t kept = count > 0 ? std::min(count, std::ssize(order)) : std::ssize(order);
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), before);
  order.resize(static_cast<size_t>(kept));
  return order;
}

}  // namespace

void SamplingOptions::validate() const {
  if (!(temperature >= 0) || !std::isfinite(temperature))
    fail<UsageError>(Setting("temperature"), " ", temperature, ": expected 0 or more");
  if (!(top_p > 0 && top_p <= 1))
    fail<UsageError>(Setting("top_p"), " ", top_p, ": expected a share in (0, 1]");
  if (max_tokens < 1) fail<UsageError>(Setting("max_tokens"), " ", max_tokens, ": expected 1 or more");
  if (min_tokens < 0) fail<UsageError>(Setting("min_tokens"), " ", min_tokens, ": expected 0 or more");
  if (top_k < 0) fail<UsageError>(Setting("top_k"), " ", top_k, ": expected 1 or more, or 0 for all");
  if (!(min_p >= 0 && min_p <= 1))
    fail<UsageError>(Setting("min_p"), " ", min_p, ": expected a share in [0, 1]");
  if (!(repetition_penalty > 0) || !std::isfinite(repetition_penalty))
    fail<UsageError>(Setting("repetition_penalty"), " ", repetition_penalty,
                     ": expected more than 0; 1 changes nothing");
  for (const std::string& text : stop)
    if (text.empty() || valid_utf8(text) != text)
      fail<UsageError>(Setting("stop"), " '", valid_utf8(text), "': expected a text, in UTF-8");
}

int32_t sample(const std::vector<float>& logits, const SamplingOptions& options, double uniform) {
  if (options.temperature == 0)
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  const std::vector<int32_t> order = likeliest(logits, options.top_k);
  const double highest = logits[static_cast<size_t>(order[0])];
  std::vector<double> weight;  // over the likeliest one's
  double total = 0;
  for (const int32_t id : order) {
    weight.push_back(std::exp((logits[static_cast<size_t>(id)] - highest) / options.temperature));
    total += weight.back();
  }
  size_t kept = 0;
  double nucleus = 0;  // Holtzman et al., arXiv 1904.09751; min-p: Nguyen et al., arXiv 2407.01082
  while (kept < weight.size() &&
         (kept == 0 || (nucleus < options.top_p * total && weight[kept] >= options.min_p)))
    nucleus += weight[kept++];
  double mark = uniform * nucleus;
  for (size_t i = 0; i + 1 < kept; ++i) {
    if (mark < weight[i]) return order[i];
    mark -= weight[i];
  }
  return order[kept - 1];
}

void penalise(std::vector<float>& logits, std::span<const int32_t> ids, double penalty) {
  if (penalty == 1) return;
  for (const int32_t id : ids) {
    if (id >= std::ssize(logits)) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = static_cast<float>(logit < 0 ? logit * penalty : logit / penalty);
  }
}

}  // namespace scca
