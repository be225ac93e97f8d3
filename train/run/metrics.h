#pragma once
// metrics.jsonl: what each optimizer step of a run measured, a line a step.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/report/plot.h"

namespace scca {

/// A line of the file.
struct StepMetrics {
  int64_t step = 0;  // from 1 on
  double loss = 0;   // nats a token, mean over the step's rows
  double lr = 0, grad_norm = 0, tokens_per_s = 0;
  int64_t peak_bytes = 0;                // from 1 on
  std::optional<double> eval_loss = {};  // where the step was followed by an evaluation
  std::string eval_text = {};            // of that one: the hash of what it was on

  bool operator==(const StepMetrics&) const = default;
};

nlohmann::json to_json(const StepMetrics& metrics);
/// Throws Error when one of the numbers is missing or none. An eval_loss of null is none: it was not finite.
void from_json(const nlohmann::json& json, StepMetrics& metrics);

/// The lines of a run's file, in their order; none when there is no file. A line that is not as append()
/// wrote it (not JSON, without its numbers, or of a step that fits neither the line before nor the one
/// behind) is named in a note on stderr and left out; the others stay. A half line at the end is of a killed
/// run and goes without a word.
std::vector<StepMetrics> read_metrics(const std::filesystem::path& file);

/// The same as comma-separated values: a header of all keys that occur, "step" first, and a line a step;
/// empty where a step has no such number.
std::string metrics_csv(const std::vector<StepMetrics>& lines);

/// loss.png of a run: the training loss under `attention`, the pattern that it trains with, and where steps
/// were followed by an evaluation a second line with its loss, which is under `own`, the model's own
/// attention.
Chart loss_chart(const std::vector<StepMetrics>& lines, const std::string& title,
                 const std::string& attention, const std::string& own);

class Metrics {
 public:
  /// Opens the run's file and cuts it after `step`: what a killed run did beyond its checkpoint is done
  /// again.
  Metrics(const std::filesystem::path& file, int64_t step);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// What the file held when it was opened, up to `step`.
  const std::vector<StepMetrics>& before() const { return before_; }
  /// The line is in the file, whole, when this returns; if it cannot be written whole, nothing of it is.
  void append(const StepMetrics& line);

 private:
  std::filesystem::path file_;
  std::vector<StepMetrics> before_;
  int descriptor_ = -1;
};

}  // namespace scca
