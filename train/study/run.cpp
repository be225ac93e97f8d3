// The work of a study: train, evaluate, and leave each result in a file that is written once.
#include <algorithm>
#include <functional>
#include <iostream>
#include <optional>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"
#include "train/cli/rope_flags.h"
#include "train/cli/setting_table.h"
#include "train/data/bos.h"
#include "train/data/data.h"
#include "train/evaluation/evaluate.h"
#include "train/evaluation/losses.h"
#include "train/evaluation/recall.h"
#include "train/evaluation/retrieval.h"
#include "train/report/progress.h"
#include "train/run/interrupt.h"
#include "train/run/run_folder.h"
#include "train/run/training_data.h"
#include "train/study/contents.h"
#include "train/study/study.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

/// Writes what `make` returns into the file, unless the file is there.
void keep(const fs::path& file, const std::function<nlohmann::json()>& make) {
  if (!fs::exists(file)) write_result(file, make());
}

/// A model that is loaded when something is asked of it: a finished study loads none.
class LazyModel {
 public:
  LazyModel(ModelFlags flags, int64_t context) : flags_(std::move(flags)), context_(context) {}
  const Llama& operator*() {
    if (!model_) {
      model_.emplace(load_model(flags_, context_));
      announce_rope(given_config(flags_), model_->config, 0);
    }
    return *model_;
  }

 private:
  ModelFlags flags_;
  int64_t context_;
  std::optional<Llama> model_;
};

class StudyRun {
 public:
  explicit StudyRun(const Study& study)
      : study_(study), settings_(study.settings), tokenizer_(load_tokenizer(study.settings.finetune.model)) {
    const TrainSettings& train = settings_.finetune.train;
    const DocumentEncoder encode = encoder_of(train, tokenizer_);
    const TokenText text = tokenize_data(train.eval_data, encode, reading_of(train, encode, "--eval-data"));
    tokens_ = text.first(train.eval_tokens);
    starts_ = text.starts;
    // Two windows for a standard error; recall puts a passage beside them.
    const int64_t longest = settings_.lengths.back();
    const int64_t needed = 2 * longest + (settings_.recall_passages > 0 ? kPassageTokens : 0);
    SCCA_CHECK(static_cast<int64_t>(tokens_.size()) >= needed, "--eval-data: ", tokens_.size(),
               " tokens are judged on, expected at least ", needed, " for a length of ", longest,
               "; give more data, larger --eval-tokens or smaller --lengths");
    if (settings_.passkey_trials > 0)
      check_lengths(given_config(settings_.finetune.model), tokenizer_, passkeys("full"));
  }

  const std::vector<int32_t>& judged_on() const { return tokens_; }

  /// Throws Error for trainings that cannot be begun. What they see costs no memory: one row stands for all.
  void check_training() const {
    const auto row = std::ranges::find_if(study_.rows, [](const StudyRow& r) { return r.trained; });
    check_finetune(run_settings(*row, study_.folders(*row)[0], 0, settings_.finetune.train.steps));
  }

  /// False after Ctrl-C.
  bool run() {
    for (const StudyRow& row : study_.rows) {
      const std::vector<fs::path> folders = study_.folders(row);
      for (size_t k = 0; k < folders.size(); ++k) {
        std::cerr << "== " << row.name
                  << (row.trained ? concat(", seed ", k + 1, " of ", folders.size()) : "") << "\n";
        fs::create_directories(folders[k]);
        if (row.trained && !train_row(row, folders[k], k)) return false;
        evaluate_row(row, folders[k]);
      }
    }
    return true;
  }

 private:
  FinetuneSettings run_settings(const StudyRow& row, const fs::path& folder, size_t k, int64_t steps) const {
    FinetuneSettings run = settings_.finetune;
    run.train.attention = row.attention;
    run.train.out = folder.string();
    run.train.resume = true;
    run.train.steps = steps;
    run.train.seed += k;
    run.train.eval_data.clear();  // judged here, not on the way
    run.concluded = false;
    return run;
  }

  /// A request that comes in the last step stops the study, though that run is whole.
  static bool trained(const FinetuneSettings& run) {
    return finetune(run) == 0 && !InterruptGuard::requested();
  }

  /// Up to the mark of equal FLOPs, a look there, and on to the end: the same run, as if it had not been
  /// stopped.
  bool train_row(const StudyRow& row, const fs::path& folder, size_t k) const {
    const int64_t steps = settings_.finetune.train.steps;
    if (!fs::exists(folder / "mark.json")) {
      if (!trained(run_settings(row, folder, k, row.mark))) return false;
      LazyModel model(model_flags(row, folder), study_.context());
      keep(folder / "mark.json", [&] {
        nlohmann::json at_mark = to_json(evaluate_at(*model, study_.settings.lengths.back(), study_.judged));
        at_mark["step"] = row.mark;
        return at_mark;
      });
    }
    return fs::exists(folder / "own.json") || row.mark == steps ||
           trained(run_settings(row, folder, k, steps));
  }

  ModelFlags model_flags(const StudyRow& row, const fs::path& folder) const {
    ModelFlags flags = settings_.finetune.model;
    if (row.name == "rope-untrained") return flags;
    flags.rope.clear();  // the base's, or the adapter's
    flags.rope_factor.reset();
    if (row.trained) flags.adapter = (folder / "adapter").string();
    return flags;
  }

  void evaluate_row(const StudyRow& row, const fs::path& folder) const {
    LazyModel model(model_flags(row, folder), study_.context());
    // A model is judged under the base's own attention, but for base-window, which is that attention.
    const std::string attention = row.trained ? study_.judged : row.attention;
    for (const int64_t length : settings_.lengths) {
      const fs::path losses = folder / concat("losses_", length, ".safetensors");
      if (!fs::exists(losses))
        fs::remove(folder / concat("eval_", length, ".json"));  // they are made together
      keep(folder / concat("eval_", length, ".json"), [&] {
        const Evaluation evaluation = evaluate_at(*model, length, attention);
        write_losses(losses, losses_of(evaluation, tokens_, {.context = length}, starts_));
        return to_json(evaluation);
      });
    }
    if (settings_.passkey_trials > 0)
      keep(folder / "passkey.json", [&] { return passkey(*model, attention); });
    if (settings_.recall_passages > 0)
      keep(folder / "recall.json", [&] { return recall(*model, attention); });
    if (row.trained) {
      keep(folder / "own.json",
           [&] { return to_json(evaluate_at(*model, settings_.lengths.back(), row.attention)); });
    }
  }

  Evaluation evaluate_at(const Llama& model, int64_t length, const std::string& attention) const {
    const EvaluationOptions options{.context = length, .attention = parse_attention_spec(attention)};
    Progress progress(concat("perplexity at ", length));
    Evaluation evaluation = evaluate(model, tokens_, options, [&](int64_t done, int64_t total, double nll) {
      progress.update(done, total, concat("nll ", nll));
    });
    progress.finish();
    return evaluation;
  }

  RetrievalOptions passkeys(const std::string& attention) const {
    RetrievalOptions options = passkey_options();
    options.lengths = settings_.lengths;
    options.trials = settings_.passkey_trials;
    options.attention = parse_attention_spec(attention);
    options.bos = puts_bos(settings_.finetune.train.bos, tokenizer_);
    return options;
  }

  nlohmann::json passkey(const Llama& model, const std::string& attention) const {
    const RetrievalOptions options = passkeys(attention);
    Progress progress("passkey");
    const auto show = [&](int64_t done, int64_t total, const std::string&) { progress.update(done, total); };
    const Retrieval found = evaluate_retrieval(model, tokenizer_, options, show);
    progress.finish();
    return to_json(found, options);
  }

  nlohmann::json recall(const Llama& model, const std::string& attention) const {
    const RecallOptions options{.context = settings_.lengths.back(),
                                .passages = settings_.recall_passages,
                                .attention = parse_attention_spec(attention)};
    return to_json(evaluate_recall(model, tokens_, options), options);
  }

  const Study& study_;
  const StudySettings& settings_;
  Tokenizer tokenizer_;
  std::vector<int32_t> tokens_;
  DocumentStarts starts_;
};

/// A folder holds one study: results of other settings, or of other texts and models, would be taken for this
/// one's.
void check_same_study(const fs::path& file, const RunRecord& now) {
  if (!fs::exists(file)) return;
  const Json before = parse_json(read_text_file(file), file.string());
  SCCA_CHECK(before.is_object(), file.string(), ": is damaged; choose a new --out");
  const std::string difference =
      first_difference(before, now.settings, now.may_differ, file.parent_path().string());
  if (!difference.empty())
    fail<UsageError>(difference,
                     "; only --seeds may grow when a study goes on: give it what it began with, or choose a "
                     "new --out");
}

}  // namespace

int run_study(const Study& study) {
  RunFolder::check(study.out(), study.settings.finetune.train.resume);
  StudyRun run(study);
  StudySettings settings = study.settings;
  RunRecord record = record_of(study_settings(settings), "study");
  record.settings.update(contents_of(settings, run.judged_on()));
  check_same_study(study.out() / "study.json", record);
  if (!fs::exists(study.out() / "study.json")) run.check_training();  // before anything is made
  fs::create_directories(study.out());
  write_file(study.out() / "study.json", record.settings.dump(2) + "\n");
  if (run.run()) return 0;
  std::cerr << "stopped; the same command with --resume goes on from there\n";
  return 1;
}

}  // namespace scca
