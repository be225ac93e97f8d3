#include "models/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/autograd.h"
#include "core/random.h"
#include "models/own_attention.h"
#include "models/rope_lengths.h"
#include "ops/cast.h"

namespace scca {
namespace {

/// How far check_growth looks: a plan of 2^62 tokens would take all memory. What changes later costs passes
/// over the whole text.
constexpr int64_t kLookAhead = 1 << 16;

/// The logits that follow the last of these tokens. Those that are not in the cache join it; all are computed
/// again where the cache is of no use at this length.
std::vector<float> next_logits(const Llama& model, const std::vector<int32_t>& tokens,
                               const AttentionSpec& attention, KeyValueCache& cache) {
  if (!model.continues(cache, std::ssize(tokens), attention)) cache.length = 0;
  const std::vector<int32_t> fresh(tokens.begin() + cache.length, tokens.end());
  const Tensor ids = Tensor::of(fresh, {1, std::ssize(fresh)});
  const Tensor x = model.hidden(ids, {.attention = attention, .cache = &cache});
  const Tensor last =
      x.reshape({x.size(1), x.size(2)}).rows(x.size(1) - 1, 1);  // only one row meets the vocabulary
  return cast(model.head_logits(last), DType::f32).to_vector<float>();
}

/// The same patterns with lengths in tokens, as they are at the length that the model is made for; empty
/// where that does not keep them from changing.
std::string fixed_spec(const LlamaConfig& config, const AttentionSpec& attention, int64_t from, int64_t to) {
  try {
    const AttentionSpec fixed = parse_attention_spec(attention.to_string(), rope_lengths(config).made_for);
    return fixed.continues(from, to, config.num_attention_heads) ? fixed.to_string() : "";
  } catch (const Error&) {  // a plan file, or a shift that does not fit
    return "";
  }
}

}  // namespace

void SamplingOptions::validate() const {
  if (!(temperature >= 0) || !std::isfinite(temperature))
    fail<UsageError>(Setting("temperature"), " ", temperature, ": expected 0 or more");
  if (!(top_p > 0 && top_p <= 1))
    fail<UsageError>(Setting("top_p"), " ", top_p, ": expected a share in (0, 1]");
  if (max_tokens < 1) fail<UsageError>(Setting("max_tokens"), " ", max_tokens, ": expected 1 or more");
}

int32_t sample(const std::vector<float>& logits, const SamplingOptions& options, double uniform) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  if (options.temperature == 0) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  const double highest = logits[static_cast<size_t>(order[0])];
  std::vector<double> weight;
  double total = 0;
  for (const int32_t id : order) {
    weight.push_back(std::exp((logits[static_cast<size_t>(id)] - highest) / options.temperature));
    total += weight.back();
  }
  size_t kept = 0;
  double nucleus = 0;  // Holtzman et al., arXiv 1904.09751
  while (kept < weight.size() && (kept == 0 || nucleus < options.top_p * total)) nucleus += weight[kept++];
  double mark = uniform * nucleus;
  for (size_t i = 0; i + 1 < kept; ++i) {
    if (mark < weight[i]) return order[i];
    mark -= weight[i];
  }
  return order[kept - 1];
}

void check_logits(std::span<const float> logits, int64_t vocabulary, int64_t first_position) {
  const auto bad = std::ranges::find_if_not(logits, [](float logit) { return std::isfinite(logit); });
  if (bad == logits.end()) return;
  const int64_t index = bad - logits.begin();
  fail("the logit of id ", index % vocabulary, " after position ", first_position + index / vocabulary,
       " is ", *bad, ": weights of the model or the adapter are damaged, or too large for ",
       Setting("dtype"));
}

void check_growth(const LlamaConfig& config, const std::optional<AttentionSpec>& given, int64_t prompt,
                  int64_t max_tokens) {
  const AttentionSpec attention = attention_for(config, given);
  const int64_t heads = config.num_attention_heads;
  const int64_t longest = prompt + std::min(max_tokens, kLookAhead) - 1;  // the last token is not fed
  // A prompt of one token goes on under any plan: some lengths on the way are asked too.
  int64_t from = prompt;
  while (from < longest && attention.continues(from, longest, heads)) from = std::min(2 * from + 1, longest);
  if (from == longest) return;
  const std::string advice = fixed_spec(config, attention, from, longest);
  fail<UsageError>(Setting("attention"), " ", attention.to_string(),
                   ": what earlier tokens see would change while the text grows from ", prompt, " to ",
                   longest, " tokens; ",
                   advice.empty() ? "choose a pattern that does not depend on the length, such as full"
                                  : "give lengths in tokens, as " + advice);
}

std::vector<int32_t> generate(const Llama& model, const std::vector<int32_t>& prompt,
                              const SamplingOptions& options, const std::function<bool(int32_t)>& on_token) {
  options.validate();
  SCCA_CHECK(!prompt.empty(), "generate: the prompt has no tokens; give some text, or BOS");
  check_growth(model.config, options.attention, std::ssize(prompt), options.max_tokens);
  NoGrad no_grad;
  KeyValueCache cache = model.make_cache(static_cast<int64_t>(prompt.size()) + options.max_tokens);
  const AttentionSpec& attention = model.attention_of(options.attention);
  std::vector<int32_t> all = prompt, text, ends = options.stop_ids;
  if (options.stop_at_eos)
    for (const int64_t id : model.config.end_ids()) ends.push_back(static_cast<int32_t>(id));
  while (static_cast<int64_t>(text.size()) < options.max_tokens) {
    std::vector<float> logits = next_logits(model, all, attention, cache);
    check_logits(logits, std::ssize(logits), cache.length - 1);
    if (options.vocabulary > 0 && options.vocabulary < std::ssize(logits))
      logits.resize(static_cast<size_t>(options.vocabulary));
    if (static_cast<int64_t>(text.size()) < options.min_tokens)
      for (const int32_t id : ends)
        if (id < std::ssize(logits)) logits[static_cast<size_t>(id)] = -INFINITY;
    const double uniform = uniform01(philox(options.seed, text.size())[0]);
    const int32_t token = sample(logits, options, uniform);
    if (std::ranges::find(ends, token) != ends.end()) break;
    text.push_back(token);
    if (on_token && !on_token(token)) break;
    all.push_back(token);
  }
  return text;
}

}  // namespace scca
