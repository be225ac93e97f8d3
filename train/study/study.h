#pragma once
// The comparison of attention patterns as one experiment: each pattern fine-tunes the same base from the same
// start, over several seeds, and all are judged in the same way. What is measured lies in files that are
// written once, so that a stopped study goes on where it was.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/run/finetune.h"

namespace scca {

struct StudySettings {
  FinetuneSettings finetune;  // of every run; its attention is the row's, its seed that of the first run
  std::vector<std::string> patterns;
  int64_t seeds = 3;
  std::vector<int64_t>
      lengths;  // of the evaluation; empty: doubling from the base's own context to the new one
  int64_t passkey_trials = 5;   // prompts for each length and depth; 0: no passkey
  int64_t recall_passages = 4;  // 0: no recall

  /// Throws UsageError naming the flag, its value and what is allowed.
  void validate() const;
};

/// "a(x=1,y=2),full@0,1;b" to {"a(x=1,y=2)", "full@0,1;b"}: commas inside parentheses and before a layer's
/// number do not separate. Throws UsageError for nothing beside a comma.
std::vector<std::string> split_patterns(const std::string& list);

/// The spec as a folder's or a file's name: letters, digits and . = _ stay, the rest becomes one dash.
std::string folder_name(const std::string& spec);

/// A row of the comparison: a model without training, or a pattern's runs.
struct StudyRow {
  std::string name = {};       // base, base-window, rope-untrained, or the pattern as it was asked for
  std::string attention = {};  // evaluated with besides the base's own; trained with
  bool trained = false;
  std::filesystem::path folder = {};
  int64_t mark = 0;            // trained: the step at which all rows have done the same attention FLOPs
  double attention_flops = 0;  // trained: of one step
};

/// What is run, and where its results lie:
///   OUT/study.json                               the settings
///   OUT/ROW/seed-K/ (untrained rows: OUT/ROW/)   a folder of results
/// A folder of results holds, of a trained row, the run's config.json, metrics.jsonl and adapter/, and
/// mark.json (the row at equal attention FLOPs), and of every row
///   eval_N.json, losses_N.safetensors   under the base's own attention (base-window: its window) at length N
///   own.json                            under the row's own pattern at the longest N
///   passkey.json, recall.json
struct Study {
  StudySettings settings;
  std::vector<StudyRow> rows;
  int64_t base_context = 0;  // tokens that the base is made for
  int64_t layers = 0, heads = 0, head_dim = 0;
  std::string judged = "full";  // the spec that rows are judged under: the base's own attention
  std::string judged_name = "full attention";  // for people

  std::filesystem::path out() const { return settings.finetune.train.out; }
  int64_t context() const { return settings.finetune.train.context; }
  /// The folders of a row's results, one a seed.
  std::vector<std::filesystem::path> folders(const StudyRow& row) const;
};

/// Settings to rows. Reads the base's config. Throws UsageError for settings or patterns without a meaning.
Study plan_study(StudySettings settings);

/// Attention FLOPs of one optimizer step: 14 head_dim for each visible pair of each head, layer and row (4
/// forward, 10 backward; what checkpointing runs twice is counted once).
double attention_flops(const Study& study, const std::string& attention);

/// The table of a study's settings, and what study.json says besides; it points into `settings`. Seeds,
/// places and where it runs may differ when a study goes on.
SettingTable study_settings(StudySettings& settings);

/// Trains and evaluates what is not there yet. Returns the exit code: 0, or 1 after Ctrl-C. Throws UsageError
/// when the folder holds a study with other settings (seeds may grow), Error as finetune and evaluate: as far
/// as check_finetune knows of it, before anything is written.
int run_study(const Study& study);

}  // namespace scca
