#include "train/study/study.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "core/check.h"
#include "models/rope_lengths.h"
#include "nn/patterns/spec.h"
#include "train/cli/flag_values.h"
#include "train/cli/rope_flags.h"

namespace scca {
namespace {

/// The spec as a folder's name: letters, digits and - . = _ stay, the rest becomes one dash.
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

std::vector<int64_t> doubling_lengths(int64_t from, int64_t to) {
  std::vector<int64_t> lengths;
  for (int64_t length = std::min(from, to); length < to; length *= 2) lengths.push_back(length);
  lengths.push_back(to);
  return lengths;
}

/// The rows without training: what the context's extension starts from.
std::vector<StudyRow> untrained_rows(const Study& study) {
  const std::filesystem::path out = study.out();
  return {{.name = "base", .attention = "full", .folder = out / "base"},
          {.name = "base-window",
           .attention = concat("window(chunk=", study.base_context, ")"),
           .folder = out / "base-window"},
          {.name = "rope-untrained", .attention = "full", .folder = out / "rope-untrained"}};
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
  Llama::check_lora(finetune.lora);
  if (seeds < 1) fail<UsageError>("--seeds ", seeds, ": expected 1 or more");
  if (train.schedule != "constant")
    fail<UsageError>("--schedule ", train.schedule,
                     ": expected constant, since a run that is judged at equal FLOPs is judged on its way");
  for (const int64_t length : lengths)
    if (length < 2) fail<UsageError>("--lengths ", length, ": expected 2 tokens or more");
  if (passkey_trials < 0) fail<UsageError>("--passkey-trials ", passkey_trials, ": expected 0 or more");
  if (recall_passages < 0) fail<UsageError>("--recall-passages ", recall_passages, ": expected 0 or more");
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
  const ModelFlags model = with_default_rope(settings.finetune.model);
  const LlamaConfig config = given_config(model);
  check_extension(config, model, train.context);
  Study study;
  study.base_context = rope_lengths(config).made_for;
  study.layers = config.num_hidden_layers;
  study.heads = config.num_attention_heads;
  study.head_dim = config.head_dim;
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

nlohmann::json to_json(const StudySettings& s) {
  nlohmann::json json = to_json(s.finetune.train);
  json.erase("attention");
  json.erase("eval_every");
  json.update({{"model", s.finetune.model.model},
               {"rope", s.finetune.model.rope},
               {"rope_factor", s.finetune.model.rope_factor.value_or(0)},
               {"dtype", s.finetune.model.dtype},
               {"lora_rank", s.finetune.lora.rank},
               {"lora_alpha", s.finetune.lora.alpha},
               {"lora_targets", s.finetune.lora.targets},
               {"lora_dropout", s.finetune.lora.dropout},
               {"lora_rs", s.finetune.lora.rank_stabilised},
               {"train", s.finetune.learning},
               {"patterns", s.patterns},
               {"seeds", s.seeds},
               {"lengths", s.lengths},
               {"passkey_trials", s.passkey_trials},
               {"recall_passages", s.recall_passages}});
  return json;
}

}  // namespace scca
