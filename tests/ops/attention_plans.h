#pragma once
// Plans of every kind that a kernel may meet, written out here so that ops are tested without nn/patterns.
#include <string>
#include <vector>

#include "ops/attention_plan.h"

namespace scca::test {

inline PlanPtr make_plan(int64_t tokens, std::vector<HeadPlan> heads, bool causal = true) {
  auto plan = std::make_shared<AttentionPlan>();
  plan->tokens = tokens;
  plan->causal = causal;
  for (HeadPlan& head : heads) plan->heads.push_back(std::make_shared<const HeadPlan>(std::move(head)));
  validate(*plan);
  return plan;
}

/// Chunks of w tokens; head h sees the keys of the chunk h chunks before (nothing, before the first).
inline PlanPtr shifted_chunks(int64_t tokens, int64_t heads, int64_t w, bool causal = true) {
  std::vector<HeadPlan> plans(static_cast<size_t>(heads));
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t start = 0; start < tokens; start += w) {
      Tile tile{{start, 1, std::min(w, tokens - start)}, {}};
      const int64_t from = start - h * w;
      if (from >= 0) tile.keys.push_back({{from, 1, std::min(w, tokens - from)}});
      plans[static_cast<size_t>(h)].push_back(tile);
    }
  }
  return make_plan(tokens, std::move(plans), causal);
}

/// Residue classes: query i sees the keys of class (i - h) mod r.
inline PlanPtr residues(int64_t tokens, int64_t heads, int64_t r, bool causal = true) {
  std::vector<HeadPlan> plans(static_cast<size_t>(heads));
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t o = 0; o < std::min(r, tokens); ++o) {
      const int64_t k = ((o - h) % r + r) % r;
      Tile tile{{o, r, (tokens - o + r - 1) / r}, {}};
      if (k < tokens) tile.keys.push_back({{k, r, (tokens - k + r - 1) / r}});
      plans[static_cast<size_t>(h)].push_back(tile);
    }
  }
  return make_plan(tokens, std::move(plans), causal);
}

/// A sliding window: chunks whose queries see their own chunk and the neighbours within reach, cut to it.
inline PlanPtr window(int64_t tokens, int64_t heads, int64_t reach, bool causal = true) {
  const auto chunk = [&](int64_t c) { return Slice{c * reach, 1, std::min(reach, tokens - c * reach)}; };
  const int64_t chunks = (tokens + reach - 1) / reach;
  HeadPlan tiles;
  for (int64_t c = 0; c < chunks; ++c) {
    Tile tile{chunk(c), {}};
    for (int64_t n = std::max<int64_t>(0, c - 1); n <= std::min(chunks - 1, causal ? c : c + 1); ++n)
      tile.keys.push_back({chunk(n), reach});
    tiles.push_back(tile);
  }
  return make_plan(tokens, std::vector<HeadPlan>(static_cast<size_t>(heads), tiles), causal);
}

/// Many short slices of every step and reach for one tile, in no order: even queries see some, odd queries
/// others.
inline PlanPtr patchwork(int64_t tokens, int64_t heads, bool causal = true) {
  std::vector<HeadPlan> plans(static_cast<size_t>(heads));
  for (int64_t h = 0; h < heads; ++h) {
    Tile even{{0, 2, (tokens + 1) / 2}, {}}, odd{{1, 2, tokens / 2}, {}};
    for (int64_t start = 0, i = h; start < tokens; start += 12, ++i) {
      const KeySlice both[] = {
          {{start, 2, std::min<int64_t>(6, (tokens - start + 1) / 2)}, i % 3 ? kUnlimited : 40 + i},
          {{start + 1, 2, std::min<int64_t>(6, (tokens - start) / 2)}, kUnlimited}};
      for (const KeySlice& keys : both) {
        if (keys.count < 1) continue;
        if (i % 2) even.keys.insert(even.keys.begin(), keys);
        if (i % 5) odd.keys.push_back(keys);
      }
    }
    plans[static_cast<size_t>(h)].push_back(even);
    if (odd.queries.count > 0) plans[static_cast<size_t>(h)].push_back(odd);
  }
  return make_plan(tokens, std::move(plans), causal);
}

struct NamedPlan {
  std::string name;
  PlanPtr plan;
};

inline std::vector<NamedPlan> plans_of_every_kind(int64_t tokens, int64_t heads) {
  std::vector<NamedPlan> plans;
  for (const bool causal : {true, false}) {
    const std::string mode = causal ? "" : ", not causal";
    plans.push_back({"full" + mode, full_plan(tokens, heads, causal)});
    plans.push_back({"shifted chunks" + mode, shifted_chunks(tokens, heads, tokens / 4 + 1, causal)});
    plans.push_back({"residues" + mode, residues(tokens, heads, 3, causal)});
    plans.push_back({"window" + mode, window(tokens, heads, 7, causal)});
    plans.push_back({"wide window" + mode, window(tokens, heads, 100, causal)});
    plans.push_back({"patchwork" + mode, patchwork(tokens, heads, causal)});
  }
  return plans;
}

}  // namespace scca::test
