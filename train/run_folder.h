#pragma once
// The folder of a training run: config.json (every setting and the version), metrics.jsonl, checkpoints/ and
// whatever the command adds (loss.png, adapter/ or model/).
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace scca {

class RunFolder {
 public:
  /// Throws UsageError when the folder is there, is not empty, and `resume` is off. Changes nothing.
  static void check(const std::filesystem::path& path, bool resume);

  /// Makes the folder, or takes up an existing one, and locks it for this process. Throws UsageError as
  /// check(), Error when another process trains in it or it cannot be written.
  RunFolder(std::filesystem::path path, bool resume);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string name() const { return path_.string(); }

  void write_config(const nlohmann::json& settings) const;

  /// Checkpoints by step.
  std::map<int64_t, std::filesystem::path> checkpoints() const;
  std::filesystem::path checkpoint_path(int64_t step) const;
  /// Removes all but the newest two: a second one stands by in case the newest is damaged on disk.
  void prune_checkpoints() const;

  /// loss.png from metrics.jsonl: the training loss, and the evaluations where there were any.
  void draw_losses() const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

/// metrics.jsonl: a line a step.
class Metrics {
 public:
  /// Opens the run's file and cuts it after `step`: what a killed run did beyond its checkpoint is done
  /// again.
  Metrics(const std::filesystem::path& file, int64_t step);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// The line is in the file, whole, when this returns; if it cannot be written whole, nothing of it is.
  void append(const nlohmann::json& line);

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
};

}  // namespace scca
