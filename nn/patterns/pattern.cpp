#include "nn/patterns/pattern.h"

#include <algorithm>

#include "core/check.h"
#include "core/joined.h"
#include "nn/patterns/bounds.h"
#include "nn/patterns/sinks.h"

namespace scca {
namespace {

constexpr int64_t kMostTiles = 1 << 22;  // some 400 MB

// A function's static, not a global: the pattern files register before main() in no particular order.
std::vector<PatternEntry>& registry() {
  static std::vector<PatternEntry> entries;
  return entries;
}

}  // namespace

const std::vector<PatternEntry>& registered_patterns() { return registry(); }

void register_pattern(PatternEntry entry) {
  std::vector<PatternEntry>& entries = registry();
  const auto place =
      std::lower_bound(entries.begin(), entries.end(), entry,
                       [](const PatternEntry& a, const PatternEntry& b) { return a.name < b.name; });
  SCCA_CHECK(place == entries.end() || place->name != entry.name, "attention pattern '", entry.name,
             "' is registered twice");
  entries.insert(place, std::move(entry));
}

NamedPattern make_pattern(std::string_view source, const Call& call, std::optional<int64_t> at) {
  std::vector<std::string> known;
  for (const PatternEntry& entry : registry()) {
    known.push_back(entry.name);
    if (entry.name != call.word) continue;
    Arguments arguments(source, call, at);
    PatternPtr pattern = entry.make(arguments);
    if (const int64_t sinks = arguments.integer("sinks", 0, 0); sinks > 0)
      pattern = with_sinks(std::move(pattern), sinks);
    std::string spec = arguments.finish();
    return {std::move(pattern), std::move(spec), arguments.longest()};
  }
  spec_error(source, call.at,
             concat("unknown pattern '", call.word, "'", suggestion(call.word, known),
                    " Known patterns: ", joined(known)));
}

PatternPtr parse_pattern(std::string_view spec) {
  const std::vector<LayerItem> items = parse_spec_syntax(spec);
  if (items.size() > 1) spec_error(spec, items[1].call.at, "a second pattern where one is expected");
  if (!items[0].layers.empty())
    spec_error(spec, items[0].layers_at[0], "layers where a single pattern is expected");
  return make_pattern(spec, items[0].call).pattern;
}

Slice span(int64_t begin, int64_t end, int64_t tokens) {
  begin = std::max<int64_t>(begin, 0);
  end = std::min(end, tokens);
  return {begin, 1, std::max<int64_t>(end - begin, 0)};
}

Slice residue_class(int64_t residue, int64_t step, int64_t tokens) {
  const int64_t count = residue < tokens ? (tokens - residue + step - 1) / step : 0;
  return {residue, count > 1 ? step : 1,
          count};  // a single position is dense, and its step may exceed tokens
}

void check_tiles(int64_t tiles) {
  if (tiles > kMostTiles)
    fail<UsageError>("attention: the pattern cuts the sequence into ", tiles, " tiles, expected at most ",
                     kMostTiles, "; use longer chunks, a smaller dilation, or fewer tokens");
}

std::vector<Slice> chunks(int64_t tokens, int64_t width, int64_t offset) {
  check_tiles(tokens / width);
  std::vector<Slice> result;
  for (int64_t begin = -offset; begin < tokens; begin += width)
    result.push_back(span(begin, begin + width, tokens));
  return result;
}

Tile tile(Slice queries, Slice keys, int64_t reach) {
  if (keys.count == 0) return {queries, {}};
  return {queries, {KeySlice{keys, reach}}};
}

HeadPlan chunk_local(int64_t tokens, int64_t width, int64_t offset) {
  HeadPlan head;
  for (const Slice& chunk : chunks(tokens, width, offset)) head.push_back(tile(chunk, chunk));
  return head;
}

HeadPlans halves(HeadPlan first, HeadPlan second, int64_t heads) {
  HeadPlans result(static_cast<size_t>(heads / 2), std::make_shared<const HeadPlan>(std::move(first)));
  result.resize(static_cast<size_t>(heads), std::make_shared<const HeadPlan>(std::move(second)));
  return result;
}

}  // namespace scca
