#include "train/study/results.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "nn/patterns/coverage.h"
#include "nn/patterns/spec.h"
#include "train/evaluation/evaluate.h"
#include "train/evaluation/losses.h"
#include "train/run/metrics.h"
#include "train/study/contents.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

/// metrics.jsonl's curve, and what a step takes.
TrainingCurve read_curve(const fs::path& file) {
  TrainingCurve training;
  std::vector<double> speeds;
  for (const StepMetrics& m : read_metrics(file)) {
    training.step.push_back(static_cast<double>(m.step));
    training.loss.push_back(m.loss);
    speeds.push_back(m.tokens_per_s);
    training.peak_bytes = std::max(training.peak_bytes, static_cast<double>(m.peak_bytes));
  }
  SCCA_CHECK(!speeds.empty(), file.string(), ": holds no step; remove ", file.parent_path().string(),
             ", and the same command with --resume makes it again");
  std::ranges::nth_element(speeds, speeds.begin() + static_cast<std::ptrdiff_t>(speeds.size() / 2));
  training.tokens_per_s = speeds[speeds.size() / 2];
  return training;
}

/// A damaged file is told of before the page is begun.
fs::path checked_losses(const fs::path& file) {
  try {
    read_losses(file);
    return file;
  } catch (const Error& error) {
    fail(error.message, "; remove ", file.string(), ", and the same command with --resume makes it again");
  }
}

double perplexity_in(const fs::path& file) { return read_result(file).get<Evaluation>().perplexity; }

StudyResult read_results(const Study& study, const StudyRow& row, const fs::path& folder) {
  StudyResult result;
  for (const int64_t length : study.settings.lengths)
    result.perplexity[length] = perplexity_in(folder / concat("eval_", length, ".json"));
  result.losses = checked_losses(folder / concat("losses_", study.settings.lengths.back(), ".safetensors"));
  if (study.settings.passkey_trials > 0)
    result.passkey = read_result(folder / "passkey.json").get<Retrieval>();
  if (study.settings.recall_passages > 0) result.recall = read_result(folder / "recall.json").get<Recall>();
  if (!row.trained) return result;
  result.own = perplexity_in(folder / "own.json");
  result.at_mark = perplexity_in(folder / "mark.json");
  result.training = read_curve(folder / "metrics.jsonl");
  return result;
}

void read_plans(const Study& study, StudyRowResult& result) {
  const AttentionSpec spec = parse_attention_spec(result.row->attention);
  const double tokens = static_cast<double>(study.context());
  std::vector<PlanPtr> plans;
  double pairs = 0;
  for (int64_t layer = 0; layer < study.layers; ++layer) {
    plans.push_back(spec.plan(study.context(), study.heads, layer));
    for (const auto& head : plans.back()->heads)
      pairs += static_cast<double>(visible_pairs(*head, plans.back()->causal));
  }
  const double maps = static_cast<double>(study.layers * study.heads);
  result.visible_share = pairs / maps / (tokens * (tokens + 1) / 2);
  result.one_layer_share = one_layer_share(*plans[0]);
  if (study.context() <= kMaxExactReach) result.reach_by_layer = reach_by_layer(plans, study.layers);
}

}  // namespace

Spread spread(const std::vector<double>& values) {
  SCCA_CHECK(!values.empty(), "spread: no values");
  const auto [low, high] = std::ranges::minmax(values);
  const auto count = static_cast<int64_t>(values.size());
  return {std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(count), low, high, count};
}

std::vector<StudyRowResult> read_study(const Study& study) {
  std::vector<StudyRowResult> results;
  for (const StudyRow& row : study.rows) {
    StudyRowResult result{.row = &row};
    for (const fs::path& folder : study.folders(row))
      result.seeds.push_back(read_results(study, row, folder));
    read_plans(study, result);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace scca
