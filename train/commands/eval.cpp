// scca eval: perplexity on texts, and how the loss depends on the position.
#include <cmath>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "core/file.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/ready_model.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"
#include "train/evaluation/evaluate.h"
#include "train/evaluation/losses.h"
#include "train/report/messages.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

const std::string kWhere = "before every document";

struct Flags {
  ModelFlags model;
  TextFlags text;
  std::optional<std::string> attention;
  std::string mode = "windows", pack = "rows", losses_file;
  int64_t context = 0, stride = 0;
  bool json = false;
};

EvaluationOptions options_of(const Flags& flags) {
  EvaluationOptions options{.context = flags.context, .stride = flags.stride};
  options.mode = flags.mode == "sliding" ? EvaluationMode::sliding : EvaluationMode::windows;
  options.attention = attention_given(flags.attention);
  if (flags.pack == "documents") {
    options.documents.emplace();
    if (flags.text.bos == "windows")
      fail<UsageError>("--pack documents goes with BOS before documents (--bos on), not before windows");
    if (!flags.losses_file.empty())
      fail<UsageError>(
          "--save-losses goes with --pack rows, where each token but a window's first has a loss");
  }
  options.validate();
  if (!flags.losses_file.empty() && options.mode == EvaluationMode::sliding)
    fail<UsageError>("--save-losses goes with --mode windows, whose windows are all of one length");
  if (flags.text.bos == "windows" && (options.mode == EvaluationMode::sliding || flags.stride != 0))
    fail<UsageError>(
        "--bos windows goes with --mode windows and no --stride: every token stands in one window");
  return options;
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
  EvaluationOptions options = options_of(flags);
  if (!flags.losses_file.empty()) FileWriter(flags.losses_file);  // one that cannot be written fails now
  const ReadyModel ready(flags.model, options.attention, flags.context);
  auto [tokens, starts] = read_documents(ready.tokenizer(), flags.text);
  if (options.documents) options.documents = starts;
  if (flags.text.bos == "windows") {
    tokens = bos_before_windows(tokens, flags.context, ready.tokenizer().bos_id());
    for (int64_t& start : starts) start += start / (flags.context - 1) + 1;  // by the BOS up to there
  }
  evaluation_windows(static_cast<int64_t>(tokens.size()), options);  // an error comes before the warning
  ready.announce(flags.context, flags.text.bos, kWhere);
  const std::string whole = options.attention ? options.attention->longer_than(flags.context) : "";
  if (!whole.empty()) note(whole);  // a model's own window may be longer than a text, and nobody chose it
  Progress progress("eval");
  const Evaluation evaluation =
      evaluate(ready.model(), tokens, options, [&](int64_t done, int64_t total, double nll) {
        progress.update(done, total, concat("perplexity ", fixed(std::exp(nll), 2)));
      });
  progress.finish();
  if (flags.json) {
    print_json(to_json(evaluation));
  } else {
    print_readable(evaluation);
  }
  if (!flags.losses_file.empty())
    write_losses(flags.losses_file, losses_of(evaluation, tokens, options, starts));
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_model_flags(app, flags->model);
  add_text_flags(app, flags->text);
  add_bos_flag(app, flags->text.bos, kWhere, /*windows=*/true);
  begin_section(app, section::kEvaluation);
  app.add_option("--context", flags->context, "Tokens of a window")->transform(token_count())->required();
  app.add_option("--stride", flags->stride,
                 "Tokens from window to window (default: --context; sliding: half)")
      ->transform(token_count());
  app.add_option("--mode", flags->mode, "windows: each scored whole; sliding: only what is new in each")
      ->check(CLI::IsMember({"windows", "sliding"}))
      ->capture_default_str();
  app.add_option("--pack", flags->pack, kPackHelp)
      ->check(CLI::IsMember({"rows", "documents"}))
      ->capture_default_str();
  add_attention_flag(app, flags->attention);
  begin_section(app, section::kOutput);
  app.add_option("--save-losses", flags->losses_file,
                 "Keep every token's loss in this file, for scca compare")
      ->type_name("FILE");
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "eval", "Perplexity on texts, and how the loss depends on the position", set_up,
    "scca eval --model LLAMA_FOLDER --adapter runs/mine/adapter --data held_out.txt --context 8k");

}  // namespace
}  // namespace scca
