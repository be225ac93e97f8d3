#include "train/run/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <set>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"

namespace scca {
namespace {

constexpr std::pair<const char*, double StepMetrics::*> kNumbers[] = {
    {"loss", &StepMetrics::loss},
    {"lr", &StepMetrics::lr},
    {"grad_norm", &StepMetrics::grad_norm},
    {"tokens_per_s", &StepMetrics::tokens_per_s}};

/// The number that a line must have.
const nlohmann::json& number(const nlohmann::json& line, const char* key) {
  SCCA_CHECK(line.is_object() && line.contains(key) && line[key].is_number(), "metrics: no number ", key);
  return line[key];
}

int64_t count(const nlohmann::json& line, const char* key) {
  const nlohmann::json& value = number(line, key);
  SCCA_CHECK(value.is_number_integer() && value.get<int64_t>() > 0, "metrics: ", key, " is ", value.dump());
  return value.get<int64_t>();
}

/// Steps follow each other; 0 is a damaged line. Where lines were lost earlier there is a gap, so that the
/// nearest line on one side must do.
bool fits(const std::vector<int64_t>& steps, size_t i) {
  if (steps[i] == 0) return false;
  size_t before = i, after = i + 1;  // before: of the line in front of it, plus one
  while (before > 0 && steps[before - 1] == 0) --before;
  while (after < steps.size() && steps[after] == 0) ++after;
  const int64_t step_before = before > 0 ? steps[before - 1] : 0;
  if (after == steps.size()) return steps[i] > step_before;
  return steps[i] - step_before == static_cast<int64_t>(i + 1 - before) ||
         steps[after] - steps[i] == static_cast<int64_t>(after - i);
}

/// Its step is 0 when the line is damaged.
StepMetrics parsed(std::string_view line, const std::string& where) {
  try {
    return parse_json(line, where).get<StepMetrics>();
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

nlohmann::json to_json(const StepMetrics& metrics) {
  nlohmann::json json{{"step", metrics.step}, {"peak_bytes", metrics.peak_bytes}};
  for (const auto& [key, value] : kNumbers) json[key] = metrics.*value;
  if (metrics.eval_loss) json["eval_loss"] = *metrics.eval_loss;
  if (!metrics.eval_text.empty()) json["eval_text"] = metrics.eval_text;
  return json;
}

void from_json(const nlohmann::json& json, StepMetrics& metrics) {
  metrics = {.step = count(json, "step"), .peak_bytes = count(json, "peak_bytes")};
  for (const auto& [key, value] : kNumbers) metrics.*value = number(json, key).get<double>();
  if (json.contains("eval_loss") && !json["eval_loss"].is_null())  // null was no number
    metrics.eval_loss = number(json, "eval_loss").get<double>();
  if (json.contains("eval_text") && json["eval_text"].is_string())
    json["eval_text"].get_to(metrics.eval_text);
}

std::vector<StepMetrics> read_metrics(const std::filesystem::path& file) {
  std::vector<StepMetrics> lines, kept;
  if (!std::filesystem::exists(file)) return kept;
  const std::string text = read_text_file(file);
  std::vector<int64_t> steps;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const StepMetrics line = parsed(std::string_view(text).substr(begin, end - begin), file.string());
    begin = end + 1;
    if (end == text.size() && line.step == 0) break;  // a run was killed while it wrote this
    lines.push_back(line);
    steps.push_back(line.step);
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    if (fits(steps, i)) {
      kept.push_back(lines[i]);
    } else {
      std::cerr << "note: " << file.string() << ":" << i + 1
                << ": this line is damaged and left out; the lines around it are whole\n";
    }
  }
  return kept;
}

std::string metrics_csv(const std::vector<StepMetrics>& metrics) {
  std::vector<nlohmann::json> lines;
  std::set<std::string> others;
  for (const StepMetrics& line : metrics) {
    lines.push_back(to_json(line));
    for (const auto& [key, value] : lines.back().items())
      if (key != "step") others.insert(key);
  }
  std::string text = "step";
  for (const std::string& key : others) text += "," + key;
  text += "\n";
  for (const nlohmann::json& line : lines) {
    text += line.at("step").dump();
    for (const std::string& key : others) text += "," + (line.contains(key) ? line.at(key).dump() : "");
    text += "\n";
  }
  return text;
}

Chart loss_chart(const std::vector<StepMetrics>& lines, const std::string& title,
                 const std::string& attention, const std::string& own) {
  // The evaluation is a name of its own and not the pattern full: a run that trains under full attention has
  // both lines too.
  const std::string evaluated = "evaluation under " + own;
  const std::map<std::string, Look> looks = looks_of({attention, evaluated});
  Series training{.name = "training under " + attention, .look = looks.at(attention)};
  Series evaluation{.name = evaluated, .look = looks.at(evaluated)};
  for (const StepMetrics& line : lines) {
    const auto step = static_cast<double>(line.step);
    training.x.push_back(step);
    training.y.push_back(line.loss);
    if (!line.eval_loss) continue;
    evaluation.x.push_back(step);
    evaluation.y.push_back(*line.eval_loss);
  }
  training.smooth = static_cast<int>(training.x.size() / 50);
  Chart chart{.title = title, .x_label = "step", .y_label = "loss (nats per token)"};
  chart.series.push_back(std::move(training));
  if (!evaluation.x.empty()) chart.series.push_back(std::move(evaluation));
  return chart;
}

Metrics::Metrics(const std::filesystem::path& file, int64_t step) : file_(file), before_(read_metrics(file)) {
  std::erase_if(before_, [&](const StepMetrics& line) { return line.step > step; });
  std::string kept;
  for (const StepMetrics& line : before_) kept += to_json(line).dump() + "\n";
  write_file(file_, kept);
  descriptor_ = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) fail(file_.string(), ": cannot be written: ", std::strerror(errno));
}

Metrics::~Metrics() { ::close(descriptor_); }

void Metrics::append(const StepMetrics& line) {
  const std::string text = to_json(line).dump() + "\n";
  const off_t end = ::lseek(descriptor_, 0, SEEK_END);
  const ssize_t written = ::write(descriptor_, text.data(), text.size());
  if (written == static_cast<ssize_t>(text.size())) return;
  const int error = written < 0 ? errno : ENOSPC;
  const bool cut = ::ftruncate(descriptor_, end) == 0;
  fail(file_.string(), ": cannot be written: ", std::strerror(error),
       cut ? "" : " (its last line is not whole)");
}

}  // namespace scca
