#pragma once
// The folder of a training run: config.json (every setting and the version), metrics.jsonl, checkpoints/ and
// whatever the command adds (loss.png, adapter/ or model/).
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

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
  std::vector<int64_t> checkpoint_steps() const;
  std::filesystem::path checkpoint_path(int64_t step) const;
  /// Removes all but the newest two, the second in case the newest is damaged on disk, and the one of step
  /// `keep`, where that is given.
  void prune_checkpoints(std::optional<int64_t> keep) const;
  /// Gives a damaged checkpoint another name, *.damaged: none of checkpoints() any more.
  void set_aside(const std::filesystem::path& checkpoint) const;

  /// metrics.jsonl for people: metrics.csv with the same numbers, and loss.png (loss_chart) of a run
  /// that trains under `attention` and is evaluated under `own`.
  void show_metrics(const std::string& attention, const std::string& own) const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace scca
