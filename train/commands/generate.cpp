// scca generate: continue a text.
#include "models/generate.h"

#include <algorithm>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/ready_model.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"

namespace scca {
namespace {

const std::string kWhere = "before the prompt";

struct Flags {
  ModelFlags model;
  std::string prompt, prompt_file;
  std::optional<std::string> attention;
  SamplingOptions sampling;
  std::string bos = "auto";
  bool ignore_eos = false, keep_line_ends = false, json = false;
};

std::vector<int32_t> prompt_ids(const Tokenizer& tokenizer, const Flags& flags) {
  const std::string text = read_prompt(flags.prompt_file, flags.prompt, flags.keep_line_ends);
  std::vector<int32_t> ids = tokenizer.encode(text, puts_bos(flags.bos, tokenizer));
  if (ids.empty()) fail<UsageError>("--prompt: is empty; give some text, or --bos on to begin from nothing");
  return ids;
}

int run(Flags flags) {
  flags.sampling.attention = attention_given(flags.attention);
  flags.sampling.stop_at_eos = !flags.ignore_eos;
  flags.sampling.validate();
  Tokenizer tokenizer = load_tokenizer(flags.model);
  flags.sampling.vocabulary = tokenizer.vocab_size();
  const std::vector<int32_t> prompt = prompt_ids(tokenizer, flags);
  const ReadyModel ready(flags.model, flags.sampling.attention, 0, std::move(tokenizer));
  check_ids(prompt, ready.config().vocab_size, "--prompt");
  check_growth(ready.config(), flags.sampling.attention, std::ssize(prompt), flags.sampling.max_tokens);
  ready.announce(std::ssize(prompt) + flags.sampling.max_tokens, flags.bos, kWhere);
  TextStream stream(ready.tokenizer(), prompt);
  std::string text;
  const auto take = [&](const std::string& part) {
    text += part;
    if (!flags.json) std::cout << part << std::flush;
  };
  const std::vector<int32_t> ids = generate(ready.model(), prompt, flags.sampling, [&](int32_t id) {
    take(stream.push(id));
    return std::cout.good();  // nobody waits for more
  });
  take(stream.finish());
  if (flags.json) {
    print_json({{"prompt_ids", prompt}, {"ids", ids}, {"text", text}});
  } else {
    std::cout << "\n";
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  SamplingOptions& sampling = flags->sampling;
  add_model_flags(app, flags->model);
  add_attention_flag(app, flags->attention);
  begin_section(app, section::kGeneration);
  CLI::Option* prompt = app.add_option("--prompt", flags->prompt, "The text to continue");
  app.add_option("--prompt-file", flags->prompt_file, "File with the text to continue")
      ->type_name("FILE")
      ->excludes(prompt);
  app.add_option("--max-tokens", sampling.max_tokens, "At most so many new tokens")
      ->transform(token_count())
      ->capture_default_str();
  app.add_option("--temperature", sampling.temperature, "0: always the likeliest token")
      ->transform(real_number())
      ->capture_default_str();
  app.add_option("--top-p", sampling.top_p, "Sample among the fewest tokens that hold this share")
      ->transform(real_number())
      ->capture_default_str();
  app.add_option("--seed", sampling.seed, "The same seed gives the same text")
      ->transform(seed_number())
      ->capture_default_str();
  add_bos_flag(app, flags->bos, kWhere);
  app.add_flag("--ignore-eos", flags->ignore_eos, "Go on after the end of a document");
  add_line_ends_flag(app, flags->keep_line_ends);
  begin_section(app, section::kOutput);
  app.add_flag("--json", flags->json, "Print one JSON object at the end");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "generate", "Continue a text", set_up,
    "scca generate --model LLAMA_FOLDER --adapter runs/mine/adapter --prompt 'It was'");

}  // namespace
}  // namespace scca
