#pragma once
// Everything that a study measured as one long table, for a reader's own charts and tests: OUT/study.csv.
#include <string>
#include <vector>

#include "train/study/results.h"

namespace scca {

/// A line for each figure, seeds apart: row, trained (1 or 0), seed (empty of untrained rows), quantity,
/// length (of a window or prompt; of recall_gain the distance), depth (%), value. Quantities: perplexity,
/// own_perplexity, perplexity_at_mark, passkey (share found), recall_gain (nats a token), tokens_per_s,
/// peak_bytes, attention_flops (of a step), visible_share.
std::string study_csv(const Study& study, const std::vector<StudyRowResult>& results);

}  // namespace scca
