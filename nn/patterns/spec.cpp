#include "nn/patterns/spec.h"

#include <algorithm>
#include <list>
#include <map>
#include <mutex>

#include "core/check.h"
#include "core/file.h"
#include "core/hash.h"
#include "nn/patterns/bounds.h"
#include "nn/patterns/plan_json.h"
#include "nn/patterns/plan_prefix.h"

namespace scca {
namespace {

constexpr size_t kCachedPlans =
    32;  // a few lengths of every pattern; generation asks for a new length at each token

struct CachedPlan {
  size_t pattern;
  int64_t tokens, heads;
  PlanPtr plan;
};

}  // namespace

struct AttentionSpec::State {
  std::vector<NamedPattern> patterns;  // the last one is that of the layers that are not named
  std::map<int64_t, size_t> layers;    // layer -> its pattern
  std::string file;                    // of @plan.json; then there are no patterns
  std::string file_hash;
  PlanPtr from_file;
  bool causal = true;  // of patterns

  std::mutex mutex;
  std::list<CachedPlan> cache;  // the latest first

  PlanPtr plan(size_t pattern, int64_t tokens, int64_t heads);
  PlanPtr fitting_plan_of_file(int64_t tokens, int64_t heads) const;
};

PlanPtr AttentionSpec::State::plan(size_t pattern, int64_t tokens, int64_t heads) {
  const std::lock_guard lock(mutex);
  const auto found = std::find_if(cache.begin(), cache.end(), [&](const CachedPlan& c) {
    return c.pattern == pattern && c.tokens == tokens && c.heads == heads;
  });
  if (found != cache.end()) {
    cache.splice(cache.begin(), cache, found);
    return cache.front().plan;
  }
  AttentionPlan plan;
  plan.tokens = tokens;
  plan.causal = causal;
  plan.heads = patterns[pattern].pattern->plan({tokens, heads});
  validate(plan);
  cache.push_front({pattern, tokens, heads, std::make_shared<const AttentionPlan>(std::move(plan))});
  if (cache.size() > kCachedPlans) cache.pop_back();
  return cache.front().plan;
}

PlanPtr AttentionSpec::State::fitting_plan_of_file(int64_t tokens, int64_t heads) const {
  const auto own_heads = static_cast<int64_t>(from_file->heads.size());
  if (from_file->tokens != tokens || own_heads != heads)
    fail<UsageError>("attention spec: the plan in ", file, " is for ", from_file->tokens, " tokens and ",
                     own_heads, " heads, found ", tokens, " tokens and ", heads,
                     " heads; a plan file fits only its own, use a", " pattern's name for any other length");
  return from_file;
}

PlanPtr AttentionSpec::plan(int64_t tokens, int64_t heads, int64_t layer) const {
  if (tokens < 1 || heads < 1 || layer < 0)
    fail("attention spec: plan for ", tokens, " tokens, ", heads, " heads, layer ", layer,
         ", expected at least 1, 1 and 0");
  if (heads > kMostHeads)
    fail<UsageError>("attention spec: a plan for ", heads, " heads, expected at most ", kMostHeads);
  if (state_->from_file) return state_->fitting_plan_of_file(tokens, heads);
  const auto named = state_->layers.find(layer);
  const size_t pattern = named == state_->layers.end() ? state_->patterns.size() - 1 : named->second;
  return state_->plan(pattern, tokens, heads);
}

bool AttentionSpec::continues(int64_t from, int64_t to, int64_t heads) const {
  for (int64_t layer = 0; layer < distinct_layers(); ++layer)
    if (!scca::continues(*plan(to, heads, layer), *plan(from, heads, layer))) return false;
  return true;
}

AttentionSpec AttentionSpec::bidirectional() const {
  if (state_->from_file)
    fail<UsageError>("attention spec: the plan in ", state_->file, " says itself whether it is causal (",
                     state_->from_file->causal ? "it is" : "it is not", "); change it there");
  auto state = std::make_shared<State>();
  state->patterns = state_->patterns;
  state->layers = state_->layers;
  state->causal = false;
  return AttentionSpec(state);
}

std::string AttentionSpec::to_string() const {
  if (state_->from_file) return "@" + state_->file;
  std::string result;
  for (size_t p = 0; p + 1 < state_->patterns.size(); ++p) {
    std::string separator = "@";
    result += state_->patterns[p].spec;
    for (const auto& [layer, pattern] : state_->layers)
      if (pattern == p) result += std::exchange(separator, ",") + std::to_string(layer);
    result += ";";
  }
  return result + state_->patterns.back().spec;
}

const std::string& AttentionSpec::file_hash() const { return state_->file_hash; }

std::string AttentionSpec::longer_than(int64_t tokens) const {
  for (const NamedPattern& named : state_->patterns)
    if (named.longest > tokens)
      return concat("attention ", named.spec, ": its chunk of ", named.longest, " tokens is longer than the ",
                    tokens, " there are, so that all of them are one chunk");
  return "";
}

int64_t AttentionSpec::distinct_layers() const {
  return state_->layers.empty() ? 1 : state_->layers.rbegin()->first + 2;
}

void AttentionSpec::check_layers(int64_t layers) const {
  if (state_->layers.empty() || state_->layers.rbegin()->first < layers) return;
  fail<UsageError>("attention spec: ", to_string(), " names layer ", state_->layers.rbegin()->first,
                   ", but the model has ", layers, " (0 to ", layers - 1, ")");
}

AttentionSpec parse_attention_spec(std::string_view text, std::optional<int64_t> at) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  auto state = std::make_shared<AttentionSpec::State>();
  std::string_view trimmed = text;
  while (!trimmed.empty() && is_space(trimmed.front())) trimmed.remove_prefix(1);
  while (!trimmed.empty() && is_space(trimmed.back())) trimmed.remove_suffix(1);
  if (!trimmed.empty() && trimmed.front() == '@') {
    state->file = trimmed.substr(1);
    state->from_file = read_plan(state->file);
    state->file_hash = hexadecimal(hash_text(read_text_file(state->file)));
    return AttentionSpec(state);
  }

  const LayerItem* others = nullptr;
  const std::vector<LayerItem> items = parse_spec_syntax(text);
  for (const LayerItem& item : items) {
    if (item.layers.empty()) {
      if (others)
        spec_error(text, item.call.at, "a second pattern without layers; write name@0,1 to name its layers");
      others = &item;
      continue;
    }
    for (size_t i = 0; i < item.layers.size(); ++i)
      if (!state->layers.emplace(item.layers[i], state->patterns.size()).second)
        spec_error(text, item.layers_at[i], concat("layer ", item.layers[i], " is named twice"));
    state->patterns.push_back(make_pattern(text, item.call, at));
  }
  if (!others)
    spec_error(text, text.size(),
               "no pattern for the layers that are not named; add one, such as ;scca-fixed");
  state->patterns.push_back(make_pattern(text, others->call, at));
  return AttentionSpec(state);
}

}  // namespace scca
