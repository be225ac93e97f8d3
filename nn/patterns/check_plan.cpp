#include "nn/patterns/check_plan.h"

#include <cstdlib>
#include <map>

#include "core/check.h"

namespace scca {
namespace {

/// tokens x tokens: how many key slices show this key to this query.
std::vector<uint8_t> raster(const HeadPlan& head, int64_t tokens, bool causal) {
  std::vector<uint8_t> result(static_cast<size_t>(tokens * tokens));
  for (const Tile& tile : head)
    for (const KeySlice& keys : tile.keys)
      for (int64_t q = 0; q < tile.queries.count; ++q)
        for (int64_t k = 0; k < keys.count; ++k) {
          const int64_t query = tile.queries.at(q), key = keys.at(k);
          if ((key <= query || !causal) && std::abs(query - key) < keys.reach)
            ++result[static_cast<size_t>(query * tokens + key)];
        }
  return result;
}

void check_head(const Pattern& pattern, Extent extent, int64_t head, const HeadPlan& tiles,
                const std::vector<uint8_t>& seen, bool causal) {
  int64_t pairs = 0;
  for (int64_t query = 0; query < extent.tokens; ++query)
    for (int64_t key = 0; key < extent.tokens; ++key) {
      const int expected = (key <= query || !causal) && pattern.visible(extent, head, query, key);
      const int found = seen[static_cast<size_t>(query * extent.tokens + key)];
      pairs += expected;
      if (found != expected)
        fail("head ", head, " query ", query, " key ", key, ": predicate ", expected, ", plan ", found);
    }
  if (visible_pairs(tiles, causal) != pairs)
    fail("head ", head, ": ", pairs, " pairs, visible_pairs says ", visible_pairs(tiles, causal));
}

}  // namespace

void check_plan(const Pattern& pattern, Extent extent, bool causal) {
  const AttentionPlan plan{extent.tokens, causal, pattern.plan(extent)};
  SCCA_CHECK(static_cast<int64_t>(plan.heads.size()) == extent.heads, "plan of ", plan.heads.size(),
             " heads, expected ", extent.heads);
  validate(plan);
  std::map<const HeadPlan*, std::vector<uint8_t>> rasters;  // heads that look alike share one
  for (int64_t head = 0; head < extent.heads; ++head) {
    const HeadPlan& tiles = *plan.heads[static_cast<size_t>(head)];
    const auto [entry, is_new] = rasters.try_emplace(&tiles);
    if (is_new) entry->second = raster(tiles, extent.tokens, causal);
    check_head(pattern, extent, head, tiles, entry->second, causal);
  }
}

void check_pattern(const PatternEntry& entry) {
  SCCA_CHECK(!entry.examples.empty(), entry.name, ": registered without an example to check");
  for (const std::string& spec : entry.examples) {
    const PatternPtr pattern = parse_pattern(spec);
    for (const int64_t tokens : {1, 2, 31, 33, 128, 129, 257})
      for (const int64_t heads : {1, 2, 3, 8, 9}) {
        try {
          check_plan(*pattern, {tokens, heads});
        } catch (const Error& error) {
          fail(spec, " at ", tokens, " tokens and ", heads, " heads: ", error.what());
        }
      }
  }
}

}  // namespace scca
