#include "models/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <unordered_set>

#include "core/autograd.h"
#include "core/random.h"
#include "models/own_attention.h"
#include "models/rope_lengths.h"
#include "ops/cast.h"
#include "ops/matmul.h"

namespace scca {
namespace {

/// How far check_growth looks: a plan of 2^62 tokens would take all memory. What changes later costs passes
/// over the whole text.
constexpr int64_t kLookAhead = 1 << 16;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Each id once, in the order in which they came.
class DistinctIds {
 public:
  explicit DistinctIds(const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) add(id);
  }
  void add(int32_t id) {
    if (seen_.insert(id).second) ids_.push_back(id);
  }
  const std::vector<int32_t>& ids() const { return ids_; }

 private:
  std::unordered_set<int32_t> seen_;
  std::vector<int32_t> ids_;
};

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

GenerationTimes& GenerationTimes::operator+=(const GenerationTimes& other) {
  prompt_tokens += other.prompt_tokens;
  prompt_seconds += other.prompt_seconds;
  answer_tokens += other.answer_tokens;
  answer_seconds += other.answer_seconds;
  return *this;
}

Generator::Generator(const Llama& model, int64_t prompt_chunk) : model_(model), prompt_chunk_(prompt_chunk) {
  SCCA_CHECK(prompt_chunk >= 1, "generate: a chunk of ", prompt_chunk, " tokens, expected 1 or more");
}

/// Shortens the cache to what it shares with the prompt, but for the last token, whose logits are wanted; and
/// makes room.
void Generator::keep(const std::vector<int32_t>& prompt, int64_t capacity) {
  const auto parting = std::ranges::mismatch(cached_, prompt).in1 - cached_.begin();
  const int64_t shared = std::min<int64_t>(parting, std::ssize(prompt) - 1);
  if (cache_.capacity < capacity) {
    KeyValueCache larger = model_.make_cache(capacity);
    for (size_t i = 0; i < larger.layers.size() && shared > 0; ++i) {
      larger.layers[i].key_SGK.rows(0, shared).copy_from(cache_.layers[i].key_SGK.rows(0, shared));
      larger.layers[i].value_SGK.rows(0, shared).copy_from(cache_.layers[i].value_SGK.rows(0, shared));
    }
    larger.angles = std::move(cache_.angles);
    if (!cache_.plans.empty()) larger.plans = std::move(cache_.plans);
    cache_ = std::move(larger);
  }
  cache_.length = shared;
  cached_.assign(prompt.begin(), prompt.begin() + shared);
}

/// The logits that follow the last of these tokens. Those that are not in the cache join it, in chunks; all
/// are computed again, in one pass, where what the cache holds is another at this length.
std::vector<float> Generator::next_logits(const std::vector<int32_t>& tokens,
                                          const AttentionSpec& attention) {
  const int64_t all = std::ssize(tokens);
  Tensor x;
  while (cache_.length < all) {
    int64_t end = std::min(all, cache_.length + prompt_chunk_);
    if (!model_.continues(cache_, end, attention)) {
      cached_.clear();
      cache_.length = 0;
      end = all;
    }
    const std::vector<int32_t> fresh(tokens.begin() + cache_.length, tokens.begin() + end);
    x = model_.hidden(Tensor::of(fresh, {1, std::ssize(fresh)}), {.attention = attention, .cache = &cache_});
  }
  cached_ = tokens;
  // only one row meets the vocabulary
  const Tensor last = x.reshape({x.size(1), x.size(2)}).rows(x.size(1) - 1, 1);
  return cast(model_.head_logits(last), DType::f32).to_vector<float>();
}

std::vector<int32_t> Generator::operator()(const std::vector<int32_t>& prompt, const SamplingOptions& options,
                                           const std::function<bool(int32_t)>& on_token) {
  options.validate();
  SCCA_CHECK(!prompt.empty(), "generate: the prompt has no tokens; give some text, or BOS");
  check_growth(model_.config, options.attention, std::ssize(prompt), options.max_tokens);
  const NoGrad no_grad;
  const SameBitsAtAnyThreadCount same_bits;
  const Clock::time_point start = Clock::now();
  keep(prompt, std::ssize(prompt) + options.max_tokens);
  times_ = {.prompt_tokens = std::ssize(prompt) - cache_.length};
  const AttentionSpec& attention = model_.attention_of(options.attention);
  std::vector<int32_t> all = prompt, text, ends = options.stop_ids;
  if (options.stop_at_eos)
    for (const int64_t id : model_.config.end_ids()) ends.push_back(static_cast<int32_t>(id));
  DistinctIds seen(prompt);
  while (static_cast<int64_t>(text.size()) < options.max_tokens) {
    std::vector<float> logits = next_logits(all, attention);
    check_logits(logits, std::ssize(logits), cache_.length - 1);
    if (text.empty()) times_.prompt_seconds = seconds_since(start);
    if (options.vocabulary > 0 && options.vocabulary < std::ssize(logits))
      logits.resize(static_cast<size_t>(options.vocabulary));
    penalise(logits, seen.ids(), options.repetition_penalty);
    if (static_cast<int64_t>(text.size()) < options.min_tokens)
      for (const int32_t id : ends)
        if (id < std::ssize(logits)) logits[static_cast<size_t>(id)] = -INFINITY;
    const double uniform = uniform01(philox(options.seed, text.size())[0]);
    const int32_t token = sample(logits, options, uniform);
    times_.answer_tokens = std::ssize(text);
    if (!text.empty()) times_.answer_seconds = seconds_since(start) - times_.prompt_seconds;
    if (std::ranges::find(ends, token) != ends.end()) break;
    text.push_back(token);
    seen.add(token);
    if (on_token && !on_token(token)) break;
    all.push_back(token);
  }
  return text;
}

std::vector<int32_t> generate(const Llama& model, const std::vector<int32_t>& prompt,
                              const SamplingOptions& options, const std::function<bool(int32_t)>& on_token) {
  return Generator(model)(prompt, options, on_token);
}

}  // namespace scca
