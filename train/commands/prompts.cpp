// scca prompts: a retrieval task's prompts with their answers, as text to train on.
#include <iostream>
#include <memory>
#include <optional>

#include "core/check.h"
#include "core/file.h"
#include "core/random.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/data/bos.h"
#include "train/evaluation/retrieval.h"
#include "train/report/progress.h"

namespace scca {
namespace {

struct Flags {
  std::string task, out;
  ModelFlags model;  // --model alone: only its tokenizer is read
  int64_t min_tokens = 0, max_tokens = 0, count = 1000;
  uint64_t seed = 1;  // evaluations take 0 by default: they are to ask for other keys
  std::string bos = "auto";
};

void check_flags(const Flags& flags) {
  if (flags.min_tokens < 1) fail<UsageError>("--min-tokens ", flags.min_tokens, ": expected 1 or more");
  if (flags.max_tokens < flags.min_tokens || flags.max_tokens >= int64_t{1} << 32)
    fail<UsageError>("--max-tokens ", flags.max_tokens, ": expected --min-tokens (", flags.min_tokens,
                     ") or more");
  if (flags.count < 1 || flags.count > int64_t{1} << 24)
    fail<UsageError>("--count ", flags.count, ": expected 1 to 2^24");
}

/// Uniform in [min_tokens, max_tokens].
int64_t length_of(const Flags& flags, int64_t index) {
  const uint64_t bits = philox(flags.seed, static_cast<uint64_t>(index), 0x6c656e67746873)[0];
  return flags.min_tokens +
         static_cast<int64_t>(bits * static_cast<uint64_t>(flags.max_tokens - flags.min_tokens + 1) >> 32);
}

nlohmann::json to_json(const TaskPrompt& prompt, int64_t length) {
  return {{"text", prompt.prompt + prompt.continuation},
          {"prompt", prompt.prompt},
          {"answers", prompt.answers},
          {"length", length},
          {"depth", prompt.depth ? nlohmann::json(*prompt.depth) : nlohmann::json(nullptr)}};
}

int run(const Flags& flags) {
  check_flags(flags);
  const Task& task = find_task(flags.task, "prompts");
  const Tokenizer tokenizer = load_tokenizer(flags.model);
  const CountTokens count = token_counter(tokenizer, puts_bos(flags.bos, tokenizer));
  // the shortest first: a length that is too short for the task shows at once, whichever lengths are drawn
  make_prompt(task, count, {flags.min_tokens, {}, flags.seed, 0});
  FileWriter file(flags.out);
  Progress progress("prompts", flags.count);
  for (int64_t index = 0; index < flags.count; ++index) {
    const int64_t length = length_of(flags, index);
    file.write(to_json(make_prompt(task, count, {length, {}, flags.seed, index}), length).dump() + "\n");
    progress.update(index + 1);
  }
  file.commit();
  progress.finish();
  std::cerr << "prompts: " << flags.out << "\n";
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  std::string known;
  for (const Task& task : registered_tasks())
    known += concat(known.empty() ? "" : "; ", task.name, ": ", task.summary);
  app.add_option("task", flags->task, known)->required();
  begin_section(app, section::kModel);
  app.add_option("--model", flags->model.model, "Folder whose tokenizer counts the tokens")
      ->type_name("FOLDER")
      ->required();
  begin_section(app, section::kGeneration);
  app.add_option("--min-tokens", flags->min_tokens, "Tokens of prompt and answer: from ...")
      ->transform(token_count())
      ->required();
  app.add_option("--max-tokens", flags->max_tokens, "... to; each prompt's length is drawn")
      ->transform(token_count())
      ->required();
  app.add_option("--count", flags->count, "How many prompts")
      ->transform(whole_number())
      ->capture_default_str();
  app.add_option("--seed", flags->seed, "Of the prompts: another one than is evaluated with")
      ->transform(seed_number())
      ->capture_default_str();
  add_bos_flag(app, flags->bos, "counted before every prompt");
  begin_section(app, section::kOutput);
  app.add_option("--out", flags->out, "JSONL file, for --data of scca finetune")
      ->type_name("FILE")
      ->required();
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "prompts", "Write a retrieval task's prompts with answers, as training text", set_up,
    "scca prompts passkey --model LLAMA_FOLDER --min-tokens 128 --max-tokens 1k --count 2000 "
    "--out passkey.jsonl");

}  // namespace
}  // namespace scca
