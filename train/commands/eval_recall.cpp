// scca eval recall: does far context help? The loss on a passage that a window holds twice.
#include <iostream>
#include <memory>

#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/ready_model.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"
#include "train/evaluation/recall.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

struct Flags {
  ModelFlags model;
  TextFlags text;
  std::optional<std::string> attention;
  RecallOptions options;
  bool json = false;
};

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

int run(Flags flags) {
  flags.options.attention = attention_given(flags.attention);
  flags.options.validate();
  const ReadyModel ready(flags.model, flags.options.attention, flags.options.context);
  const std::vector<int32_t> tokens = read_tokens(ready.tokenizer(), flags.text);
  check_recall(tokens, flags.options, ready.config().vocab_size);
  ready.announce(flags.options.context, flags.text.bos, "before every document");
  Progress progress("recall");
  const Recall recall = evaluate_recall(ready.model(), tokens, flags.options,
                                        [&](int64_t done, int64_t total) { progress.update(done, total); });
  progress.finish();
  if (flags.json) {
    print_json(to_json(recall, flags.options));
  } else {
    print_readable(recall, flags.options);
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_model_flags(app, flags->model);
  add_text_flags(app, flags->text);
  add_bos_flag(app, flags->text.bos, "before every document");
  add_attention_flag(app, flags->attention);
  begin_section(app, section::kEvaluation);
  app.add_option("--context", flags->options.context, "Tokens of a window")
      ->transform(token_count())
      ->required();
  app.add_option("--passages", flags->options.passages, "Passages, each at every distance")
      ->transform(whole_number())
      ->capture_default_str();
  app.add_option("--seed", flags->options.seed, "Of the choice of passages")
      ->transform(seed_number())
      ->capture_default_str();
  begin_section(app, section::kOutput);
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "eval recall", "The loss on a passage that the window holds twice", set_up,
    "scca eval recall --model LLAMA_FOLDER --adapter runs/mine/adapter --data held_out.txt --context "
    "8k");

}  // namespace
}  // namespace scca
