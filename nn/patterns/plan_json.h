#pragma once
// Attention plans as JSON: what `scca patterns` prints and `--attention @plan.json` reads.
//   {"tokens": N, "causal": true,
//    "heads": [one per head: [one per tile: {"queries": [start, step, count],
//                                            "keys": [[start, step, count], ...]}]],
//    "visible_pairs": [one per head], "one_layer_share": s, "layers_to_full": n or null, "empty_rows": n}
// A key slice with a limited reach has it as a fourth number. layers_to_full is null when no number of layers
// suffices, and beyond kMaxExactReach tokens (nn/patterns/coverage.h).
#include <nlohmann/json.hpp>
#include <string>

#include "ops/attention_plan.h"

namespace scca {

nlohmann::json plan_to_json(const AttentionPlan& plan);

/// Reads tokens, heads and causal (true when absent); the other entries follow from these and are not read,
/// so that a plan may be edited by hand. Throws Error that begins with `name` and says where, as in
/// "p.json: heads[0][3].keys[1]: ...".
PlanPtr plan_from_json(const nlohmann::json& json, const std::string& name);

/// plan_from_json on a file.
PlanPtr read_plan(const std::string& path);

}  // namespace scca
