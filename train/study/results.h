#pragma once
// What a study measured, read back from its files.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/evaluation/recall.h"
#include "train/evaluation/retrieval.h"
#include "train/study/study.h"

namespace scca {

/// Over seeds.
struct Spread {
  double mean = 0, low = 0, high = 0;
  int64_t count = 0;
};
/// Throws Error when there are no values.
Spread spread(const std::vector<double>& values);

struct TrainingCurve {
  std::vector<double> step, loss;
  double tokens_per_s = 0, peak_bytes = 0;  // median; highest
};

/// Of one folder of results.
struct StudyResult {
  std::map<int64_t, double> perplexity = {};     // by length
  std::filesystem::path losses = {};             // token by token, at the longest length
  std::optional<double> own = {}, at_mark = {};  // perplexity at the longest length
  std::optional<TrainingCurve> training = {};
  Retrieval passkey = {};
  Recall recall = {};
};

struct StudyRowResult {
  const StudyRow* row = nullptr;
  std::vector<StudyResult> seeds = {};
  // Of the plan:
  double visible_share = 0;                 // of the causal pairs, mean over heads and layers
  double one_layer_share = 0;               // seen by at least one head of the first layer
  std::vector<double> reach_by_layer = {};  // empty beyond the length at which it is exact
};

/// Throws Error naming a file that is missing or does not fit.
std::vector<StudyRowResult> read_study(const Study& study);

/// f of each seed.
template <class F>
std::vector<double> over_seeds(const StudyRowResult& row, F&& f) {
  std::vector<double> values;
  for (const StudyResult& seed : row.seeds) values.push_back(f(seed));
  return values;
}

}  // namespace scca
