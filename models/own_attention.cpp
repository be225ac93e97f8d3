#include "models/own_attention.h"

#include <algorithm>

#include "core/check.h"
#include "core/joined.h"
#include "nn/patterns/bounds.h"

namespace scca {
namespace {

// Where config.json leaves the key out (transformers' configurations of all families with windows).
constexpr int64_t kUsualWindow = 4096, kUsualWindowLayers = 28;

constexpr char kFull[] = "full_attention", kSliding[] = "sliding_attention";

/// sliding_window; 0: none.
int64_t window_in(const JsonFields& fields) {
  if (!fields.json().contains("sliding_window")) return kUsualWindow;
  const auto window = fields.integer("sliding_window");
  SCCA_CHECK(!window || (*window > 0 && *window <= INT32_MAX), fields.where(), ": sliding_window is ",
             window.value_or(0), ", expected 1 to ", INT32_MAX, " tokens, or null for none");
  return window.value_or(0);
}

/// The layers that layer_types says are full.
std::set<int64_t> full_of_types(const JsonFields& fields, const Json& types, int64_t layers) {
  const auto known = [](const Json& type) { return type == kFull || type == kSliding; };
  SCCA_CHECK(types.is_array() && std::ssize(types) == layers && std::ranges::all_of(types, known),
             fields.where(), ": layer_types is ", short_text(types), ", expected ", kFull, " or ", kSliding,
             " for each of the ", layers, " layers");
  std::set<int64_t> full;
  for (int64_t layer = 0; layer < layers; ++layer)
    if (types[static_cast<size_t>(layer)] == kFull) full.insert(layer);
  return full;
}

/// Layers [0, max_window_layers).
std::set<int64_t> full_of_count(const JsonFields& fields, int64_t layers) {
  const int64_t count = fields.integer("max_window_layers").value_or(kUsualWindowLayers);
  SCCA_CHECK(count >= 0, fields.where(), ": max_window_layers is ", count, ", expected 0 or more");
  std::set<int64_t> full;
  for (int64_t layer = 0; layer < std::min({count, layers, kMostLayers}); ++layer) full.insert(layer);
  return full;
}

}  // namespace

std::string own_attention_text(const LlamaConfig& c) {
  if (c.sliding_window == 0) return "full";
  std::vector<std::string> full;
  for (const int64_t layer : c.full_layers) full.push_back(std::to_string(layer));
  return concat(full.empty() ? "" : "full@" + joined(full, ",") + ";", "window(chunk=", c.sliding_window,
                ")");
}

AttentionSpec own_attention(const LlamaConfig& config) {
  return parse_attention_spec(own_attention_text(config));
}

AttentionSpec attention_for(const LlamaConfig& config, const std::optional<AttentionSpec>& given) {
  return given ? *given : own_attention(config);
}

std::string own_attention_name(const LlamaConfig& config) {
  return config.sliding_window == 0 ? "full attention" : own_attention_text(config);
}

void read_own_attention(const JsonFields& fields, LlamaConfig& c) {
  const Windows windows = c.family->windows;
  const bool may = windows == Windows::all_layers ||
                   (windows == Windows::some_layers && fields.boolean("use_sliding_window").value_or(false));
  int64_t window = may ? window_in(fields) : 0;
  std::set<int64_t> full;
  if (windows == Windows::some_layers) full = full_of_count(fields, c.num_hidden_layers);
  if (const Json types = fields.json().value("layer_types", Json()); !says_nothing(types)) {
    full = full_of_types(fields, types, c.num_hidden_layers);
    SCCA_CHECK(window > 0 || std::ssize(full) == c.num_hidden_layers, fields.where(), ": layer_types has ",
               kSliding, ", but ",
               windows == Windows::none ? concat("a ", c.family->model_type, " has no sliding window")
               : windows == Windows::all_layers || may ? "sliding_window is null"
                                                       : "use_sliding_window is not true");
    SCCA_CHECK(windows != Windows::all_layers || window == 0 || full.empty(), fields.where(),
               ": layer_types has ", kFull, ", but sliding_window is ", window,
               ", which is every layer's in a ", c.family->model_type, "; expected ", kSliding,
               " for all layers, or sliding_window null");
  }
  if (window > 0 && std::ssize(full) == c.num_hidden_layers) window = 0;
  c.sliding_window = window;
  if (window > 0) c.full_layers = std::move(full);
}

void write_own_attention(const LlamaConfig& c, Json& json) {
  const Windows windows = c.family->windows;
  if (windows == Windows::none) return;
  if (windows == Windows::all_layers || c.sliding_window > 0)
    json["sliding_window"] = c.sliding_window > 0 ? Json(c.sliding_window) : Json();
  if (windows == Windows::all_layers) return;
  json["use_sliding_window"] = c.sliding_window > 0;
  json.erase("layer_types");  // without a window: full, as for readers that do not know the key
  if (c.sliding_window == 0) return;
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer)
    json["layer_types"].push_back(c.full_layers.contains(layer) ? kFull : kSliding);
  const std::set<int64_t>& full = c.full_layers;
  if (full.empty() || *full.rbegin() + 1 == std::ssize(full))  // for readers that do not know layer_types
    json["max_window_layers"] = full.size();
}

void check_own_attention(const LlamaConfig& c, const std::string& where) {
  SCCA_CHECK(c.sliding_window >= 0 && c.sliding_window <= INT32_MAX, where, ": sliding_window is ",
             c.sliding_window, ", expected up to ", INT32_MAX);
  SCCA_CHECK(c.sliding_window == 0 || c.family->windows != Windows::none, where, ": sliding_window is ",
             c.sliding_window, ", expected none in a ", c.family->model_type);
  const bool some = c.sliding_window > 0 && c.family->windows == Windows::some_layers;
  const bool fit = std::ranges::all_of(
      c.full_layers, [&](int64_t layer) { return layer >= 0 && layer < c.num_hidden_layers; });
  SCCA_CHECK(c.full_layers.empty() || (some && fit), where, ": ", c.full_layers.size(), " layers of ",
             c.num_hidden_layers, " have no window beside a sliding_window of ", c.sliding_window,
             ", which a ", c.family->model_type, " cannot have");
}

}  // namespace scca
