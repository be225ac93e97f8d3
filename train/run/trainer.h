#pragma once
// The training loop: forward, backward, clip, AdamW, over the rows of a text; metrics, evaluations and
// checkpoints on the way. A run that is killed at any moment and resumed goes on with the same bits.
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "models/llama.h"
#include "train/data/data.h"
#include "train/run/attention_schedule.h"
#include "train/run/divergence.h"
#include "train/run/memory.h"
#include "train/run/metrics.h"
#include "train/run/optimizer.h"
#include "train/run/run_folder.h"
#include "train/run/run_numbers.h"
#include "train/run/settings.h"

namespace scca {

/// What a run is about. `record` is what RUN/config.json says: those of TrainSettings and the command's
/// own.
struct TrainTask {
  TrainSettings train;
  RunRecord record;
  const TokenRows* data = nullptr;
  const TokenRows* eval_data = nullptr;  // null: no evaluations
  /// Writes what the command makes of the model, an adapter or a model, into a folder: into RUN/`output` at
  /// every save, into RUN/best after an evaluation that was better than all before.
  std::function<void(const std::filesystem::path& folder, const RunNumbers& numbers)> write =
      [](const std::filesystem::path&, const RunNumbers&) {};
  std::string output = "output";
};

/// What can be refused before anything is written. Throws UsageError for an attention spec that does not fit
/// the model or the context, Error when the run cannot fit in memory.
struct CheckedTraining {
  CheckedTraining(const Llama& model, const TrainSettings& train);

  AttentionSchedule attention;
  StepPlan plan;  // under --checkpointing auto of the layers that fit now
};

/// Mean loss under the model's own attention, full but for a sliding window, over the first `rows` rows of
/// `data`, nats a token.
double own_attention_loss(Llama& model, const TokenRows& data, int64_t rows, int64_t batch);

/// The evaluation with the lowest loss of a run.
struct BestEvaluation {
  int64_t step = 0;
  double loss = 0;
};

enum class TrainEnd { finished, interrupted };

class Trainer {
 public:
  /// The model with its learning weights chosen, on its way to `task`. Takes up the run's newest whole
  /// checkpoint if there is one. Throws UsageError when that was made with other settings, and as
  /// CheckedTraining.
  Trainer(Llama& model, TrainTask task, RunFolder& run);

  /// Up to the last step, or to the end of the step in which Ctrl-C came; saved in both cases. Throws Error
  /// when a file cannot be written, or a loss or gradient is not finite: then the newest checkpoint from
  /// before the gradient's norm rose (train/run/divergence.h) is there and its outputs are written.
  TrainEnd run();

  int64_t step() const { return step_; }
  /// Of the last step done, in this sitting or before.
  double last_loss() const { return last_loss_; }
  /// nullopt before the first evaluation. What the model was then lies in RUN/best.
  std::optional<BestEvaluation> best() const { return best_; }

 private:
  void resume();
  void announce() const;
  StepMetrics train_step();
  std::string go_back();
  int64_t eval_rows() const;
  double evaluate() const;
  void resume_best();
  bool is_best(double loss) const;
  void keep_best(double loss);
  void write_output();
  void save();

  Llama& model_;
  TrainTask task_;
  RunFolder& run_;
  CheckedTraining checked_;  // before the optimizer takes its memory: this asks whether all fits
  Optimizer optimizer_;
  RowOrder order_;
  std::unique_ptr<Metrics> metrics_;
  int64_t step_ = 0, saved_step_ = -1;
  NormHistory norms_;
  double last_loss_ = 0;
  std::string eval_text_;  // the hash of what is evaluated on; empty without evaluations
  std::optional<BestEvaluation> best_;
};

}  // namespace scca
