#pragma once
// What pretrain and finetune share between their flags and the loop: data, the run's folder, the end.
#include <filesystem>
#include <functional>

#include "models/llama.h"
#include "models/tokenizer/tokenizer.h"
#include "train/run/run_folder.h"
#include "train/run/run_numbers.h"
#include "train/run/settings.h"

namespace scca {

/// Throws Error when the tokenizer has ids that the model has no row for.
void check_vocabulary(const Tokenizer& tokenizer, const LlamaConfig& config);

/// What a command makes of the model that it trained.
struct TrainingOutput {
  std::string name;  // its folder in RUN: "adapter", "model"
  /// Writes it into a folder, which is made if it is not there.
  std::function<void(const std::filesystem::path& folder)> write;
  /// Writes what a reader should know of it into the same folder, after write() and once more at the end of
  /// the run.
  std::function<void(const std::filesystem::path& folder, const RunNumbers& numbers)> describe =
      [](const std::filesystem::path&, const RunNumbers&) {};
  /// Whether the model is judged under its own attention before and after: on some first rows of the
  /// evaluation data, of the training data where there is none. A run of less than 20 rows is too short for
  /// it.
  bool judged = false;
  /// The commands to go on with, for the last lines.
  std::vector<std::string> next = {};
};

/// Tokenises the data, makes or takes up the run's folder, trains, and says what lies where.
/// `given` is the config of the base as it was before the run's RoPE, `record` what the run's folder says of
/// it. Returns the exit code: 0, or 1 after Ctrl-C.
int run_training(Llama& model, const LlamaConfig& given, const Tokenizer& tokenizer,
                 const TrainSettings& train, RunRecord record, const TrainingOutput& output);

/// A word as a shell takes it: in single quotes where it needs them.
std::string shell_word(const std::string& word);

}  // namespace scca
