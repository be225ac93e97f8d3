// The pictures of a study's page.
#include <algorithm>
#include <cmath>
#include <map>

#include "core/check.h"
#include "nn/patterns/spec.h"
#include "train/evaluation/losses.h"
#include "train/report/pattern_picture.h"
#include "train/report/plot.h"
#include "train/study/page.h"
#include "train/study/text.h"

namespace scca {
namespace {

namespace fs = std::filesystem;
using Results = std::vector<StudyRowResult>;
using Looks = std::map<std::string, Look>;

const fs::path kFolder = "pictures";
constexpr size_t kMostWithErrorBars = 7;  // rows of a chart: more hide one another

/// Element by element over seeds.
std::vector<double> mean_of(const std::vector<std::vector<double>>& curves) {
  std::vector<double> mean = curves[0];
  for (size_t i = 0; i < mean.size(); ++i) {
    for (size_t k = 1; k < curves.size(); ++k) mean[i] += curves[k].at(i);
    mean[i] /= static_cast<double>(curves.size());
  }
  return mean;
}

Chart loss_chart(const Results& results, const Looks& looks) {
  Chart chart{.title = "Fine-tuning loss, mean over seeds", .x_label = "step", .y_label = "nats a token"};
  for (const StudyRowResult& row : results) {
    if (!row.row->trained) continue;
    std::vector<std::vector<double>> losses;
    for (const StudyResult& seed : row.seeds) losses.push_back(seed.training->loss);
    const std::vector<double>& steps = row.seeds[0].training->step;
    chart.series.push_back({.name = row.row->name,
                            .x = steps,
                            .y = mean_of(losses),
                            .smooth = static_cast<int>(std::max<size_t>(9, steps.size() / 20)),
                            .look = looks.at(row.row->name)});
  }
  return chart;
}

/// Where the bins of the longest window end: 16 of them, since single passages show in narrower ones.
std::vector<int64_t> position_bins(int64_t context) {
  std::vector<int64_t> ends;
  const int64_t bin = std::max<int64_t>(1, context / 16);
  for (int64_t end = bin; end < context - 1; end += bin) ends.push_back(end);
  ends.push_back(context - 1);
  return ends;
}

/// Nats a token by position, mean over seeds.
struct PositionCurve {
  std::vector<double> position, nll;
};

PositionCurve position_curve(const StudyRowResult& row) {
  PositionCurve curve;
  std::vector<std::vector<double>> nll;
  for (const StudyResult& seed : row.seeds) {
    const Losses losses = read_losses(seed.losses);
    nll.emplace_back();
    curve.position.clear();
    int64_t begin = 0;
    for (const int64_t end : position_bins(losses.context)) {
      curve.position.push_back(static_cast<double>(begin + end) / 2);
      nll.back().push_back(losses.mean(begin, end));
      begin = end;
    }
  }
  curve.nll = mean_of(nll);
  return curve;
}

Chart position_chart(const Results& results, const Looks& looks) {
  Chart chart{.title = "Perplexity by position",
              .x_label = "position in the window",
              .y_label = "perplexity",
              .log_y = true};
  for (const StudyRowResult& row : results) {
    PositionCurve curve = position_curve(row);
    for (double& value : curve.nll) value = std::exp(value);
    chart.series.push_back(
        {.name = row.row->name, .x = curve.position, .y = curve.nll, .look = looks.at(row.row->name)});
  }
  return chart;
}

/// Less the reference, in the same windows: what the text itself does to the curves drops out.
Chart position_difference_chart(const Results& results, const Looks& looks) {
  const StudyRowResult& reference = reference_row(results);
  const PositionCurve base = position_curve(reference);
  Chart chart{.title = "Loss by position, less that of " + reference.row->name,
              .x_label = "position in the window",
              .y_label = "nats a token"};
  for (const StudyRowResult& row : results) {
    if (!row.row->trained || &row == &reference) continue;
    PositionCurve curve = position_curve(row);
    for (size_t i = 0; i < curve.nll.size(); ++i) curve.nll[i] -= base.nll[i];
    chart.series.push_back(
        {.name = row.row->name, .x = curve.position, .y = curve.nll, .look = looks.at(row.row->name)});
  }
  return chart;
}

Chart recall_chart(const Results& results, const Looks& looks) {
  Chart chart{.title = "What a passage gains from having been seen before",
              .x_label = "distance in tokens",
              .y_label = "nats a token saved",
              .log_x = true};
  for (const StudyRowResult& row : results) {
    Series series{.name = row.row->name, .look = looks.at(row.row->name)};
    const std::vector<RecallAtDistance>& first = row.seeds[0].recall.by_distance;
    for (size_t i = 0; i < first.size(); ++i) {
      const auto gain =
          spread(over_seeds(row, [&](auto& seed) { return seed.recall.by_distance.at(i).gain.mean; }));
      series.x.push_back(static_cast<double>(first[i].distance));
      series.y.push_back(gain.mean);
      if (results.size() <= kMostWithErrorBars)
        series.y_error.push_back(gain.count > 1 ? (gain.high - gain.low) / 2
                                                : first[i].gain.standard_error.value_or(0));
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Heatmap passkey_overview(const Study& study, const Results& results, const Looks& looks) {
  Heatmap map{.title = "Passkeys found, over all depths",
              .row_label = "row",
              .column_label = "tokens of the prompt",
              .value_label = "share found",
              .low = 0,
              .high = 1};
  for (const int64_t length : study.settings.lengths) map.column_names.push_back(std::to_string(length));
  for (const StudyRowResult& row : results) {
    map.row_names.push_back(row.row->name);
    map.row_looks.push_back(looks.at(row.row->name));
    for (const int64_t length : study.settings.lengths)
      map.values.push_back(
          spread(over_seeds(row, [&](auto& seed) { return passkey_share(seed, length); })).mean);
  }
  return map;
}

/// The row's cells, added over seeds.
Heatmap passkey_grid(const StudyRowResult& row, const Looks& looks) {
  Retrieval sum;
  for (size_t i = 0; i < row.seeds[0].passkey.cells.size(); ++i) {
    std::vector<RetrievalCell> over_all;
    for (const StudyResult& seed : row.seeds) over_all.push_back(seed.passkey.cells.at(i));
    sum.cells.push_back(together(over_all));
  }
  Heatmap map = retrieval_heatmap(sum, concat("Passkeys found: ", row.row->name));
  map.title_look = looks.at(row.row->name);
  return map;
}

void draw_pattern(const std::string& path, const Study& study, const StudyRow& row) {
  const AttentionSpec spec = parse_attention_spec(row.attention);
  std::vector<PlanPtr> plans;
  for (int64_t layer = 0; layer < study.layers; ++layer)
    plans.push_back(spec.plan(study.context(), study.heads, layer));
  write_pattern_picture(path, *plans[0],
                        concat(spec.to_string(), ", ", study.context(), " tokens, ", study.heads, " heads"),
                        plans, study.layers);
}

std::string file_name(const StudyRowResult& row) { return row.row->folder.filename().string() + ".png"; }

}  // namespace

std::vector<Picture> draw_study(const Study& study, const Results& results) {
  std::vector<Picture> pictures;
  std::vector<std::string> names;
  for (const StudyRowResult& row : results) names.push_back(row.row->name);
  const Looks looks = looks_of(names);  // of all rows, so that a row looks alike in each picture
  fs::create_directories(study.out() / kFolder);
  const auto add = [&](const std::string& name, const std::string& caption, const auto& draw) {
    draw((study.out() / kFolder / name).string());
    pictures.push_back({kFolder / name, caption});
  };
  add("position.png", "Perplexity by position in the longest window",
      [&](const std::string& path) { write_chart(path, position_chart(results, looks)); });
  if (std::ranges::count_if(results, [](const auto& row) { return row.row->trained; }) > 1)
    add("position-difference.png", "Loss by position, less that of the reference",
        [&](const std::string& path) { write_chart(path, position_difference_chart(results, looks)); });
  add("loss.png", "Fine-tuning loss",
      [&](const std::string& path) { write_chart(path, loss_chart(results, looks)); });
  if (study.settings.recall_passages > 0)
    add("recall.png", "What a passage gains from having been seen before",
        [&](const std::string& path) { write_chart(path, recall_chart(results, looks)); });
  if (study.settings.passkey_trials > 0)
    add("passkey.png", "Passkeys found by length",
        [&](const std::string& path) { write_heatmap(path, passkey_overview(study, results, looks)); });
  for (const StudyRowResult& row : results) {
    if (study.settings.passkey_trials > 0 && row.row->trained)
      add("passkey-" + file_name(row), "Passkeys found by " + row.row->name + ", by length and depth",
          [&](const std::string& path) { write_heatmap(path, passkey_grid(row, looks)); });
  }
  for (const StudyRowResult& row : results) {
    if (row.row->trained)
      add(file_name(row), "What " + row.row->name + " sees",
          [&](const std::string& path) { draw_pattern(path, study, *row.row); });
  }
  return pictures;
}

}  // namespace scca
