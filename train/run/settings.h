#pragma once
// The settings of a training run that pretrain and finetune share, what a run writes down of them, and the
// comparison that keeps a resumed run honest.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "train/run/schedule.h"

namespace scca {

struct LlamaConfig;
struct SettingRow;  // train/cli/setting_table.h, which is long to compile
using SettingTable = std::vector<SettingRow>;

/// Every field is the flag of its name (grad_accum: --grad-accum), by its line in train_settings.
struct TrainSettings {
  std::vector<std::string> data, eval_data;
  std::string bos = "auto";      // before every document; see train/data/bos.h
  bool keep_line_ends = false;   // of the texts; else they become LF
  std::string text_field;        // of JSON records; empty: by the record's form (train/data/record_form.h)
  std::string chat_template;     // a built-in form; empty: the model's own
  std::string loss = "answers";  // of chats and completions; or all
  std::string token_cache = "auto";  // train/data/token_cache.h
  std::string pack = "rows";         // or documents, which then do not see each other
  std::string out;
  bool resume = false;
  int64_t context = 0;             // tokens of a row
  std::string positions = "rows";  // or pose (train/run/pose.h); finetune's
  int64_t target_context = 0;      // tokens of the texts that pose's positions range over; 0: context
  int64_t steps = 1000;            // of the optimizer
  int64_t batch = 1;               // rows of a forward pass
  int64_t grad_accum = 1;          // forward passes of a step
  double lr = 2e-4;
  int64_t warmup = 20;
  std::string schedule = "constant";  // or cosine
  double lr_final = 0.1;              // cosine: the last rate, as a share of lr
  double clip = 1;                    // the gradient's norm is cut to this; 0: not cut
  double weight_decay = 0;
  uint64_t seed = 0;
  std::string attention;                 // empty: training_attention's choice
  std::string usual_attention = "full";  // of a model that has no sliding window; no flag
  std::string checkpointing = "auto";    // on, off; auto: train/run/checkpointing.h
  bool force = false;                    // start also where the plan of a step does not fit in memory
  int64_t save_every = 100;              // steps; 0: at the end only
  int64_t eval_every = 0;                // steps; 0: never
  int64_t eval_tokens = 65536;           // of eval_data, at most

  Schedule schedule_of_steps() const;
  /// Tokens of the texts that a training makes the positions for.
  int64_t trained_length() const { return positions == "pose" ? target_context : context; }
  int64_t rows_per_step() const { return batch * grad_accum; }
};

/// The pattern that a training of this model sees: the one that is set; else the model's own where it has a
/// sliding window; else the usual one.
std::string training_attention(const TrainSettings& settings, const LlamaConfig& config);

/// The table of the settings; it points into `settings`.
SettingTable train_settings(TrainSettings& settings);

/// Throws UsageError naming the flag, its value and what is allowed.
void check_settings(const TrainSettings& settings);

/// What RUN/config.json says of a run, and the keys whose values may be others when it is resumed.
struct RunRecord {
  nlohmann::json settings;
  std::set<std::string> may_differ;
};

/// The settings of the table with the command and the version of this program.
RunRecord record_of(const SettingTable& table, const std::string& command);

/// The keys of a record that are no settings: command, version, and what a setting names by its contents.
SettingTable recorded_keys();

/// Says which of these settings differs, by its flag and with both values ("--lr is 0.5 but RUN began with
/// 0.0002"), those of the names in `free` aside: first a flag that was given, else what a flag names
/// (model_config, and X_fingerprint for what --x names). Empty when none does.
std::string first_difference(const nlohmann::json& before, const nlohmann::json& now,
                             const std::set<std::string>& free, const std::string& run);

/// Settings that do not shape the losses, such as where the run lies, may differ between sittings; steps may
/// grow. `before` is what the run wrote down in the last one. Throws UsageError naming the first flag that
/// differs otherwise, with both values.
void check_same_settings(const nlohmann::json& before, const RunRecord& now, const std::string& run);

}  // namespace scca
