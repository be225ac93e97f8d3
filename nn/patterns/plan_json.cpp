#include "nn/patterns/plan_json.h"

#include <algorithm>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"
#include "nn/patterns/coverage.h"

namespace scca {
namespace {

using nlohmann::json;

constexpr int64_t kMaxTokens = int64_t{1} << 26;       // keeps start + step * count far from overflow
constexpr int64_t kMaxReach = (int64_t{1} << 31) - 1;  // the widest window a spec can ask for
constexpr size_t kMaxHeads = 4096;

json slice_to_json(const Slice& slice) { return {slice.start, slice.step, slice.count}; }

json head_to_json(const HeadPlan& head) {
  json tiles = json::array();
  for (const Tile& tile : head) {
    json keys = json::array();
    for (const KeySlice& slice : tile.keys) {
      keys.push_back(slice_to_json(slice));
      if (slice.reach != kUnlimited) keys.back().push_back(slice.reach);
    }
    tiles.push_back({{"queries", slice_to_json(tile.queries)}, {"keys", std::move(keys)}});
  }
  return tiles;
}

/// A value, the file it is in and the path to it there, for the errors.
struct Place {
  const json& value;
  std::string file, path;

  template <class... Parts>
  [[noreturn]] void wrong(const Parts&... parts) const {
    fail(file, ": ", path, path.empty() ? "" : ": ", parts...);
  }

  Place at(const std::string& key) const {
    if (!value.is_object()) wrong("found ", found(), ", expected an object with \"", key, "\"");
    if (!value.contains(key)) wrong("has no \"", key, "\"");
    return {value[key], file, concat(path, path.empty() ? "" : ".", key)};
  }

  Place at(size_t i) const { return {value[i], file, concat(path, "[", i, "]")}; }

  size_t array_size() const {
    if (!value.is_array()) wrong("found ", found(), ", expected an array");
    return value.size();
  }

  int64_t integer(int64_t least, int64_t most) const {
    const bool fits =
        value.is_number_integer() &&
        (value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(kUnlimited) : true);
    if (!fits || value.get<int64_t>() < least || value.get<int64_t>() > most)
      wrong("found ", found(), ", expected a whole number from ", least, " to ", most);
    return value.get<int64_t>();
  }

  std::string found() const { return short_text(value); }
};

Slice read_slice(const Place& place, int64_t tokens, size_t numbers) {
  if (numbers != 3 && numbers != 4) place.wrong("found ", place.found(), ", expected [start, step, count]");
  return {place.at(0).integer(0, tokens - 1), place.at(1).integer(1, tokens), place.at(2).integer(1, tokens)};
}

Tile read_tile(const Place& place, int64_t tokens) {
  const Place queries = place.at("queries"), keys = place.at("keys");
  for (const auto& item : place.value.items())
    if (item.key() != "queries" && item.key() != "keys")
      place.wrong("unknown entry \"", item.key(),
                  "\", expected \"queries\" and \"keys\" (a reach is the fourth number", " of a key slice)");
  Tile tile;
  if (const size_t n = queries.array_size(); n == 3)
    tile.queries = read_slice(queries, tokens, n);
  else
    queries.wrong("found ", queries.found(), ", expected [start, step, count]");
  for (size_t i = 0; i < keys.array_size(); ++i) {
    const Place slice = keys.at(i);
    const size_t n = slice.array_size();
    KeySlice key_slice{read_slice(slice, tokens, n)};
    if (n == 4) key_slice.reach = slice.at(3).integer(1, kMaxReach);
    tile.keys.push_back(key_slice);
  }
  return tile;
}

std::shared_ptr<const HeadPlan> read_head(const Place& place, int64_t tokens) {
  HeadPlan head;
  for (size_t i = 0; i < place.array_size(); ++i) head.push_back(read_tile(place.at(i), tokens));
  return std::make_shared<const HeadPlan>(std::move(head));
}

}  // namespace

json plan_to_json(const AttentionPlan& plan) {
  json heads = json::array(), pairs = json::array();
  for (const auto& head : plan.heads) {
    heads.push_back(head_to_json(*head));
    pairs.push_back(visible_pairs(*head, plan.causal));
  }
  const PlanPtr unowned(&plan, [](const AttentionPlan*) {});
  std::optional<int64_t> layers;
  if (plan.tokens <= kMaxExactReach) layers = layers_to_full({{unowned}});
  return {{"tokens", plan.tokens},
          {"causal", plan.causal},
          {"heads", std::move(heads)},
          {"visible_pairs", std::move(pairs)},
          {"one_layer_share", one_layer_share(plan)},
          {"layers_to_full", layers ? json(*layers) : json(nullptr)},
          {"empty_rows", empty_rows(plan)}};
}

PlanPtr plan_from_json(const json& value, const std::string& name) {
  const Place root{value, name, ""};
  AttentionPlan plan;
  plan.tokens = root.at("tokens").integer(1, kMaxTokens);
  if (value.contains("causal")) {
    const Place causal = root.at("causal");
    if (!causal.value.is_boolean()) causal.wrong("found ", causal.found(), ", expected true or false");
    plan.causal = causal.value;
  }
  const Place heads = root.at("heads");
  if (const size_t n = heads.array_size(); n < 1 || n > kMaxHeads)
    heads.wrong("found ", n, " heads, expected 1 to ", kMaxHeads);
  for (size_t h = 0; h < heads.value.size(); ++h) {
    const auto head = read_head(heads.at(h), plan.tokens);
    const auto same = std::find_if(plan.heads.begin(), plan.heads.end(),
                                   [&](const auto& other) { return *other == *head; });
    plan.heads.push_back(same == plan.heads.end() ? head : *same);
  }
  try {
    validate(plan);
  } catch (const Error& error) {
    fail(name, ": not a valid plan: ", error.what());
  }
  return std::make_shared<const AttentionPlan>(std::move(plan));
}

PlanPtr read_plan(const std::string& path) {
  return plan_from_json(parse_json(read_text_file(path), "attention plan " + path), path);
}

}  // namespace scca
