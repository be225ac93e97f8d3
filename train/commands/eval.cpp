// scca eval: perplexity on texts, and how the loss depends on the position.
#include <cmath>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "train/command.h"
#include "train/data.h"
#include "train/evaluate.h"
#include "train/losses.h"
#include "train/model_flags.h"
#include "train/progress.h"
#include "train/recall.h"
#include "train/table.h"
#include "train/text_input.h"

namespace scca {
namespace {

struct Flags {
  ModelFlags model;
  TextFlags text;
  std::string attention = "full", mode = "windows", losses_file;
  int64_t context = 0, stride = 0;
  bool json = false;
};

struct RecallFlags {
  ModelFlags model;
  TextFlags text;
  std::string attention = "full";
  RecallOptions options;
  bool json = false;
};

EvaluationOptions options_of(const Flags& flags) {
  EvaluationOptions options{.context = flags.context, .stride = flags.stride};
  options.mode = flags.mode == "sliding" ? EvaluationMode::sliding : EvaluationMode::windows;
  options.attention = parse_attention_spec(flags.attention);
  options.validate();
  if (!flags.losses_file.empty() && options.mode == EvaluationMode::sliding)
    fail<UsageError>("--save-losses goes with --mode windows, whose windows are all of one length");
  return options;
}

/// All of `losses`, a row for each window, with what was scored in words that scca compare can tell apart.
Losses rows_of(const Evaluation& evaluation, const std::vector<int32_t>& tokens,
               const EvaluationOptions& options) {
  const uint64_t digest = fingerprint_bytes(tokens.data(), tokens.size() * sizeof(int32_t));
  const int64_t predictions = options.context - 1, windows = evaluation.tokens / predictions;
  return {options.context, Tensor::of(evaluation.losses.loss, {windows, predictions}),
          concat("mode=windows context=", options.context, " stride=", options.actual_stride(),
                 " tokens=", tokens.size(), " data=", std::hex, digest)};
}

nlohmann::json to_json(const Evaluation& evaluation) {
  nlohmann::json buckets = nlohmann::json::array();
  for (const PositionBucket& bucket : evaluation.by_position)
    buckets.push_back({{"from", bucket.from}, {"to", bucket.to}, {"nll", bucket.nll}});
  return {{"perplexity", evaluation.perplexity},
          {"nll", evaluation.nll},
          {"tokens", evaluation.tokens},
          {"by_position", buckets}};
}

void print_readable(const Evaluation& evaluation) {
  std::cout << "perplexity " << fixed(evaluation.perplexity, 3) << " (" << fixed(evaluation.nll, 4)
            << " nats per token, " << evaluation.tokens << " tokens scored)\n";
  std::vector<std::vector<std::string>> table{{"position", "tokens", "nats", "perplexity"}};
  for (const PositionBucket& bucket : evaluation.by_position) {
    table.push_back({concat(bucket.from, " to ", bucket.to - 1), std::to_string(bucket.tokens),
                     fixed(bucket.nll, 4), fixed(std::exp(bucket.nll), 3)});
  }
  std::cout << format_table(table);
}

int run(const Flags& flags) {
  if (flags.model.model.empty()) fail<UsageError>("--model is required; see scca eval --help");
  if (flags.text.data.empty()) fail<UsageError>("--data is required; see scca eval --help");
  if (flags.context == 0) fail<UsageError>("--context is required; see scca eval --help");
  const EvaluationOptions options = options_of(flags);
  const Llama model = load_model(flags.model, flags.context);
  options.attention.check_layers(model.config.num_hidden_layers);
  const std::vector<int32_t> tokens = read_tokens(load_tokenizer(flags.model), flags.text);
  evaluation_windows(static_cast<int64_t>(tokens.size()), options);  // an error comes before the warning
  warn_beyond_context(model.config, flags.context);
  std::optional<Progress> progress;
  const Evaluation evaluation =
      evaluate(model, tokens, options, [&](int64_t done, int64_t total, double nll) {
        if (!progress) progress.emplace("eval", total);
        progress->update(done, concat("perplexity ", fixed(std::exp(nll), 2)));
      });
  if (progress) progress->finish();
  if (!flags.losses_file.empty()) write_losses(flags.losses_file, rows_of(evaluation, tokens, options));
  if (flags.json) {
    print_json(to_json(evaluation));
  } else {
    print_readable(evaluation);
  }
  return 0;
}

nlohmann::json error_json(const Estimate& estimate) {
  return estimate.standard_error ? nlohmann::json(*estimate.standard_error) : nlohmann::json(nullptr);
}

void add_estimate(nlohmann::json& object, const std::string& name, const Estimate& estimate) {
  object[name] = estimate.mean;
  object[name + "_error"] = error_json(estimate);
}

nlohmann::json to_json(const Recall& recall, const RecallOptions& options) {
  nlohmann::json result{{"context", options.context},
                        {"passage_tokens", kPassageTokens},
                        {"passages", options.passages},
                        {"distances", nlohmann::json::array()}};
  add_estimate(result, "unrepeated", recall.unrepeated);
  for (const RecallAtDistance& at : recall.by_distance) {
    nlohmann::json entry{{"distance", at.distance}};
    add_estimate(entry, "second", at.second);
    add_estimate(entry, "first", at.first);
    add_estimate(entry, "gain", at.gain);
    result["distances"].push_back(entry);
  }
  return result;
}

std::string text_of(const Estimate& estimate) {
  return fixed(estimate.mean, 3) +
         (estimate.standard_error ? " +- " + fixed(*estimate.standard_error, 3) : std::string());
}

void print_readable(const Recall& recall, const RecallOptions& options) {
  std::cout << "nats per token on " << options.passages << " passages of " << kPassageTokens
            << " tokens at the end of a window of " << options.context
            << "\nnever seen before: " << text_of(recall.unrepeated) << "\n";
  std::vector<std::vector<std::string>> table{{"distance", "second occurrence", "first occurrence", "gain"}};
  for (const RecallAtDistance& at : recall.by_distance)
    table.push_back({std::to_string(at.distance), text_of(at.second), text_of(at.first), text_of(at.gain)});
  std::cout << format_table(table);
}

int run_recall(RecallFlags flags) {
  flags.options.attention = parse_attention_spec(flags.attention);
  flags.options.validate();
  const Llama model = load_model(flags.model, flags.options.context);
  flags.options.attention.check_layers(model.config.num_hidden_layers);
  const std::vector<int32_t> tokens = read_tokens(load_tokenizer(flags.model), flags.text);
  warn_beyond_context(model.config, flags.options.context);
  std::optional<Progress> progress;
  const Recall recall = evaluate_recall(model, tokens, flags.options, [&](int64_t done, int64_t total) {
    if (!progress) progress.emplace("recall", total);
    progress->update(done);
  });
  if (progress) progress->finish();
  if (flags.json) {
    print_json(to_json(recall, flags.options));
  } else {
    print_readable(recall, flags.options);
  }
  return 0;
}

const char* const kAttentionHelp = "Attention pattern: a spec, see scca patterns";

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  auto recall_flags = std::make_shared<RecallFlags>();
  add_model_flags(app, flags->model);
  add_text_flags(app, flags->text);
  // Of eval itself; `eval recall` has its own. run() asks for them.
  for (const char* flag : {"--model", "--data"}) app.get_option(flag)->required(false);
  app.add_option("--context", flags->context, "Tokens of a window");
  app.add_option("--stride", flags->stride,
                 "Tokens from window to window (default: --context; sliding: half)");
  app.add_option("--mode", flags->mode, "windows: each scored whole; sliding: only what is new in each")
      ->check(CLI::IsMember({"windows", "sliding"}))
      ->capture_default_str();
  app.add_option("--attention", flags->attention, kAttentionHelp)->capture_default_str();
  app.add_option("--save-losses", flags->losses_file,
                 "Keep every token's loss in this file, for scca compare");
  app.add_flag("--json", flags->json, "Print one JSON object");

  CLI::App* recall = app.add_subcommand("recall", "The loss on a passage that the window holds twice");
  add_model_flags(*recall, recall_flags->model);
  add_text_flags(*recall, recall_flags->text);
  recall->add_option("--context", recall_flags->options.context, "Tokens of a window")->required();
  recall->add_option("--attention", recall_flags->attention, kAttentionHelp)->capture_default_str();
  recall->add_option("--passages", recall_flags->options.passages, "Passages, each at every distance")
      ->capture_default_str();
  recall->add_option("--seed", recall_flags->options.seed, "Of the choice of passages")
      ->capture_default_str();
  recall->add_flag("--json", recall_flags->json, "Print one JSON object");
  return [flags, recall_flags, recall] { return *recall ? run_recall(*recall_flags) : run(*flags); };
}

const RegisterCommand line("eval", "Perplexity on texts, by position; `eval recall`: does far context help?",
                           set_up);

}  // namespace
}  // namespace scca
