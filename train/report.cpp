#include "train/report.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <map>
#include <optional>
#include <sstream>

#include "core/file.h"
#include "models/json.h"
#include "train/losses.h"
#include "train/plot.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

std::optional<Json> read_if_there(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  return parse_json(read_text_file(file), file.string());
}

/// metrics.jsonl of a fine-tuning run.
struct Training {
  std::vector<double> step, loss;
  double tokens_per_s = 0, peak_bytes = 0;  // median; highest
};

Training read_metrics(const fs::path& file) {
  Training training;
  std::vector<double> speeds;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const Json m = parse_json(line, file.string());
    training.step.push_back(m.at("step"));
    training.loss.push_back(m.at("loss"));
    speeds.push_back(m.at("tokens_per_s"));
    training.peak_bytes = std::max(training.peak_bytes, m.at("peak_bytes").get<double>());
  }
  SCCA_CHECK(!speeds.empty(), file.string(), ": holds no step");
  std::nth_element(speeds.begin(), speeds.begin() + static_cast<std::ptrdiff_t>(speeds.size() / 2),
                   speeds.end());
  training.tokens_per_s = speeds[speeds.size() / 2];
  return training;
}

struct Row {
  std::string name;
  std::map<int64_t, double> perplexity;  // by length, under full attention
  std::map<int64_t, fs::path> losses;
  std::optional<double> own_perplexity, pairs_share;
  std::optional<Training> training;
  std::optional<Json> recall;
};

/// The length in eval_2048.json.
int64_t length_of(const fs::path& file) {
  const std::string stem = file.stem().string();
  return std::stoll(stem.substr(stem.find('_') + 1));
}

Row read_row(const fs::path& folder, const std::string& name) {
  SCCA_CHECK(fs::is_directory(folder), "report: ", folder.string(),
             " is not there; run the evaluations of row '", name, "' first");
  Row row;
  row.name = name;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with("eval_") && file.ends_with(".json"))
      row.perplexity[length_of(file)] = read_if_there(entry)->at("perplexity");
    if (file.starts_with("losses_") && file.ends_with(".safetensors"))
      row.losses[length_of(file)] = entry.path();
  }
  SCCA_CHECK(!row.perplexity.empty(), "report: ", folder.string(), " has no eval_N.json");
  if (const auto own = read_if_there(folder / "own.json")) row.own_perplexity = own->at("perplexity");
  if (const auto plan = read_if_there(folder / "pattern.json")) {
    double pairs = 0;
    for (const Json& head : plan->at("visible_pairs")) pairs += head.get<double>();
    const double tokens = plan->at("tokens");
    row.pairs_share =
        pairs / static_cast<double>(plan->at("visible_pairs").size()) / (tokens * (tokens + 1) / 2);
  }
  if (fs::exists(folder / "metrics.jsonl")) row.training = read_metrics(folder / "metrics.jsonl");
  row.recall = read_if_there(folder / "recall.json");
  return row;
}

std::string number(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

template <class T, class F>
std::string or_dash(const std::optional<T>& value, F&& text) {
  return value ? text(*value) : "-";
}

/// Row minus reference, in nats a token at the longest length: "+0.031 ± 0.004".
std::string difference(const Row& row, const Row& reference) {
  if (row.name == reference.name || row.losses.empty() || reference.losses.empty()) return "-";
  const PairedDifference d = paired_difference(read_losses(row.losses.rbegin()->second),
                                               read_losses(reference.losses.rbegin()->second));
  return (d.mean < 0 ? "−" : "+") + number(std::abs(d.mean), 3) + " ± " + number(d.standard_error, 3);
}

std::string table(const std::vector<Row>& rows, const Row& reference) {
  std::ostringstream out;
  out << "| row |";
  for (const auto& [length, _] : rows[0].perplexity) out << " " << length << " |";
  out << " own pattern | nats − " << reference.name << " | visible pairs | tokens/s | peak memory |\n|---|";
  for (size_t i = 0; i < rows[0].perplexity.size() + 5; ++i) out << "---|";
  out << "\n";
  for (const Row& row : rows) {
    out << "| " << row.name << " |";
    for (const auto& [length, _] : rows[0].perplexity) {
      out << " " << (row.perplexity.contains(length) ? number(row.perplexity.at(length), 1) : "-") << " |";
    }
    out << " " << or_dash(row.own_perplexity, [](double p) { return number(p, 1); }) << " | "
        << difference(row, reference) << " | "
        << or_dash(row.pairs_share, [](double s) { return number(100 * s, 1) + " %"; }) << " | "
        << or_dash(row.training, [](const Training& t) { return number(t.tokens_per_s, 0); }) << " | "
        << or_dash(row.training, [](const Training& t) { return number(t.peak_bytes / 1e6, 0) + " MB"; })
        << " |\n";
  }
  return out.str();
}

void draw_losses(const fs::path& file, const std::vector<Row>& rows) {
  Chart chart{.title = "Fine-tuning loss", .x_label = "step", .y_label = "nats a token"};
  for (const Row& row : rows) {
    if (row.training)
      chart.series.push_back(
          {.name = row.name, .x = row.training->step, .y = row.training->loss, .smooth = 9});
  }
  if (!chart.series.empty()) write_chart(file.string(), chart);
}

/// Perplexity over the position in the window, in bins of 1/32 of it.
void draw_positions(const fs::path& file, const std::vector<Row>& rows) {
  Chart chart{.title = "Perplexity by position, under full attention",
              .x_label = "position in the window",
              .y_label = "perplexity",
              .log_y = true};
  for (const Row& row : rows) {
    if (row.losses.empty()) continue;
    const Losses losses = read_losses(row.losses.rbegin()->second);
    const int64_t bin = std::max<int64_t>(1, losses.context / 32);
    Series series{.name = row.name};
    for (int64_t from = 0; from < losses.context - 1; from += bin) {
      const int64_t to = std::min(from + bin, losses.context - 1);
      series.x.push_back(static_cast<double>(from + to) / 2);
      series.y.push_back(std::exp(losses.mean(from, to)));
    }
    chart.series.push_back(std::move(series));
  }
  if (!chart.series.empty()) write_chart(file.string(), chart);
}

void draw_recall(const fs::path& file, const std::vector<Row>& rows) {
  Chart chart{.title = "What a passage gains from having been seen before",
              .x_label = "distance in tokens",
              .y_label = "nats a token saved",
              .log_x = true};
  for (const Row& row : rows) {
    if (!row.recall) continue;
    Series series{.name = row.name};
    for (const Json& at : row.recall->at("distances")) {
      series.x.push_back(at.at("distance"));
      series.y.push_back(at.at("gain"));
      series.y_error.push_back(at.at("gain_error"));
    }
    chart.series.push_back(std::move(series));
  }
  if (!chart.series.empty()) write_chart(file.string(), chart);
}

}  // namespace

std::string write_report(const fs::path& out, const std::vector<std::string>& names,
                         const std::string& reference) {
  SCCA_CHECK(!names.empty(), "report: no rows given");
  std::vector<Row> rows;
  for (const std::string& name : names) rows.push_back(read_row(out / name, name));
  const auto found = std::find(names.begin(), names.end(), reference);
  if (found == names.end()) fail<UsageError>("--reference '", reference, "' is not among the rows");
  const std::string text = table(rows, rows[static_cast<size_t>(found - names.begin())]);
  write_file(out / "table.md", text);
  draw_losses(out / "loss.png", rows);
  draw_positions(out / "position.png", rows);
  draw_recall(out / "recall.png", rows);
  return text;
}

}  // namespace scca
