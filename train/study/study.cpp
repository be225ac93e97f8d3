#include "train/study/study.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "core/check.h"
#include "models/own_attention.h"
#include "models/rope_lengths.h"
#include "nn/patterns/spec.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/rope_flags.h"
#include "train/cli/setting_table.h"
#include "train/cli/settings_file.h"

namespace scca {
namespace {

std::vector<int64_t> doubling_lengths(int64_t from, int64_t to) {
  std::vector<int64_t> lengths;
  for (int64_t length = std::min(from, to); length < to; length *= 2) lengths.push_back(length);
  lengths.push_back(to);
  return lengths;
}

/// The rows without training: what the context's extension starts from.
std::vector<StudyRow> untrained_rows(const Study& study) {
  const std::filesystem::path out = study.out();
  return {{.name = "base", .attention = study.judged, .folder = out / "base"},
          {.name = "base-window",
           .attention = concat("window(chunk=", study.base_context, ")"),
           .folder = out / "base-window"},
          {.name = "rope-untrained", .attention = study.judged, .folder = out / "rope-untrained"}};
}

/// All rows reach the attention FLOPs of the cheapest one's whole run, each at a step of its own.
void set_marks(Study& study) {
  double least = INFINITY;
  for (const StudyRow& row : study.rows)
    if (row.trained) least = std::min(least, row.attention_flops);
  const auto steps = static_cast<double>(study.settings.finetune.train.steps);
  for (StudyRow& row : study.rows)
    if (row.trained) row.mark = static_cast<int64_t>(std::ceil(steps * least / row.attention_flops - 1e-9));
}

}  // namespace

std::string folder_name(const std::string& spec) {
  std::string name;
  for (const char c : spec) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '=' || c == '_') {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name;
}

std::vector<std::string> split_patterns(const std::string& list) {
  std::vector<std::string> patterns;
  std::string current;
  int depth = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    depth += (c == '(') - (c == ')');
    const bool layer_follows = i + 1 < list.size() && std::isdigit(static_cast<unsigned char>(list[i + 1]));
    if (c == ',' && depth == 0 && !layer_follows) {
      patterns.push_back(std::exchange(current, ""));
    } else {
      current += c;
    }
  }
  patterns.push_back(current);
  check_items("--patterns", list, patterns);
  std::erase(patterns, "");  // of an empty list
  return patterns;
}

void StudySettings::validate() const {
  const TrainSettings& train = finetune.train;
  if (patterns.empty())
    fail<UsageError>("--patterns: names none; expected specs such as full,local,scca-fixed");
  if (std::set(patterns.begin(), patterns.end()).size() != patterns.size())
    fail<UsageError>("--patterns: names a pattern twice");
  if (std::set(lengths.begin(), lengths.end()).size() != lengths.size())
    fail<UsageError>("--lengths: names a length twice");
  StudySettings s = *this;
  check_bounds(study_settings(s));
  Llama::check_lora(finetune.lora);
  if (train.schedule != "constant")
    fail<UsageError>("--schedule ", train.schedule,
                     ": expected constant, since a run that is judged at equal FLOPs is judged on its way");
}

std::vector<std::filesystem::path> Study::folders(const StudyRow& row) const {
  if (!row.trained) return {row.folder};
  std::vector<std::filesystem::path> folders;
  for (int64_t k = 0; k < settings.seeds; ++k)
    folders.push_back(row.folder / concat("seed-", settings.finetune.train.seed + static_cast<uint64_t>(k)));
  return folders;
}

double attention_flops(const Study& study, const std::string& attention) {
  const AttentionSpec spec = parse_attention_spec(attention);
  spec.check_layers(study.layers);
  double pairs = 0;
  for (int64_t layer = 0; layer < study.layers; ++layer) {
    const PlanPtr plan = spec.plan(study.context(), study.heads, layer);
    for (const auto& head : plan->heads) pairs += static_cast<double>(visible_pairs(*head, plan->causal));
  }
  return 14 * static_cast<double>(study.head_dim * study.settings.finetune.train.rows_per_step()) * pairs;
}

Study plan_study(StudySettings settings) {
  TrainSettings& train = settings.finetune.train;
  train.attention = "full";
  TrainSettings run = train;
  run.eval_data.clear();  // a study judges a run when it is done
  check_settings(run);
  settings.validate();
  // By name from here on: study.json says what a study began with, also to a program of another default.
  ModelFlags& model = settings.finetune.model;
  model = with_default_rope(model);
  const LlamaConfig config = given_config(model);
  check_extension(config, model, train.context);
  Study study;
  study.base_context = rope_lengths(config).made_for;
  study.layers = config.num_hidden_layers;
  study.heads = config.num_attention_heads;
  study.head_dim = config.head_dim;
  study.judged = own_attention_text(config);
  study.judged_name = own_attention_name(config);
  if (settings.lengths.empty()) settings.lengths = doubling_lengths(study.base_context, train.context);
  std::ranges::sort(settings.lengths);
  study.settings = std::move(settings);
  study.rows = untrained_rows(study);
  std::set<std::string> folders{"base", "base-window", "rope-untrained", "pictures"};
  for (const std::string& pattern : study.settings.patterns) {
    const std::string folder = folder_name(pattern);
    if (!folders.insert(folder).second)
      fail<UsageError>("--patterns: '", pattern, "' would share the folder ", folder, " with another row");
    study.rows.push_back({.name = pattern,
                          .attention = pattern,
                          .trained = true,
                          .folder = study.out() / folder,
                          .attention_flops = attention_flops(study, pattern)});
  }
  set_marks(study);
  return study;
}

SettingTable study_settings(StudySettings& s) {
  // A study decides these for each row, and judges at the end.
  SettingTable table =
      without(finetune_settings(s.finetune), {"attention", "eval_every", "positions", "target_context"});
  SettingRow& eval_data = setting_of(table, "eval_data");
  eval_data.required = true;
  eval_data.help = "Texts that every row is judged on";
  setting_of(table, "seed").help = "The first seed: row order, dropout and LoRA's start";
  // Marks and results follow from these too.
  for (const char* name : {"steps", "save_every", "eval_tokens", "keep_line_ends"})
    setting_of(table, name).may_differ = false;
  setting_of(table, record::kCommand).may_differ = true;  // the studies of earlier versions do not say it
  return table + SettingTable{{.name = "patterns",
                               .member = &s.patterns,
                               .section = section::kAttention,
                               .help = "Attention patterns with commas between: full,local,scca-fixed",
                               .type = "SPECS",
                               .split = split_patterns,
                               .required = true},
                              {.name = "seeds",
                               .member = &s.seeds,
                               .section = section::kTraining,
                               .help = "Runs of each pattern; may grow when a study is resumed",
                               .takes = whole_number(),
                               .bound = at_least(1),
                               .may_differ = true},
                              {.name = "lengths",
                               .member = &s.lengths,
                               .section = section::kEvaluation,
                               .help = "Evaluation lengths: 512,1k,2k (default: doubling up to --context)",
                               .takes = token_count(),
                               .bound = Bound{[](double x) { return x >= 2; }, "2 tokens or more"}},
                              {.name = "passkey_trials",
                               .member = &s.passkey_trials,
                               .section = section::kEvaluation,
                               .help = "Passkeys at each length and depth; 0 for none",
                               .takes = whole_number(),
                               .bound = at_least(0)},
                              {.name = "recall_passages",
                               .member = &s.recall_passages,
                               .section = section::kEvaluation,
                               .help = "Passages of the recall curve; 0 for none",
                               .takes = whole_number(),
                               .bound = at_least(0)},
                              {.name = "eval_data_fingerprint"},
                              {.name = "patterns_fingerprint"}};
}

}  // namespace scca
