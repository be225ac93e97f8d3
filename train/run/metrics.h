#pragma once
// metrics.jsonl: what each optimizer step of a run measured, a line a step.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/report/plot.h"

namespace scca {

/// The lines of a run's file, in their order; none when there is no file. A line that is not as append()
/// wrote it (not JSON, without its numbers, or of a step that fits neither the line before nor the one
/// behind) is named in a note on stderr and left out; the others stay. A half line at the end is of a killed
/// run and goes without a word.
std::vector<nlohmann::json> read_metrics(const std::filesystem::path& file);

/// The same as comma-separated values: a header of all keys that occur, "step" first, and a line a step;
/// empty where a step has no such number.
std::string metrics_csv(const std::vector<nlohmann::json>& lines);

/// loss.png of a run: the training loss under `attention`, the pattern that it trains with, and where steps
/// were followed by an evaluation a second line with its loss, which is under full attention.
Chart loss_chart(const std::vector<nlohmann::json>& lines, const std::string& title,
                 const std::string& attention);

class Metrics {
 public:
  /// Opens the run's file and cuts it after `step`: what a killed run did beyond its checkpoint is done
  /// again.
  Metrics(const std::filesystem::path& file, int64_t step);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// What the file held when it was opened, up to `step`.
  const std::vector<nlohmann::json>& before() const { return before_; }
  /// `line` has step, loss, lr, grad_norm, tokens_per_s and peak_bytes, and may have more. It is in the file,
  /// whole, when this returns; if it cannot be written whole, nothing of it is.
  void append(const nlohmann::json& line);

 private:
  std::filesystem::path file_;
  std::vector<nlohmann::json> before_;
  int descriptor_ = -1;
};

}  // namespace scca
