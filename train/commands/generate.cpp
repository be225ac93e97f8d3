// scca generate: continue a text, or hold a chat.
#include <unistd.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "models/generate_text.h"
#include "models/tokenizer/text_form.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/ready_model.h"
#include "train/cli/standard_streams.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"
#include "train/data/file_kind.h"
#include "train/report/messages.h"

namespace scca {
namespace {

const std::string kWhere = "before the prompt";

struct Flags {
  ModelFlags model;
  std::optional<std::string> prompt;
  std::string prompt_file;
  std::optional<std::string> attention;
  SamplingOptions sampling;
  std::string bos = "auto";
  bool chat = false;
  std::string system, chat_template;
  bool ignore_eos = false, keep_line_ends = false, json = false;

  bool has_prompt() const { return prompt || !prompt_file.empty(); }
};

std::string prompt_of(const Flags& flags) {
  const bool stdin_named = flags.prompt == "-";
  return read_prompt(stdin_named ? "-" : flags.prompt_file, flags.prompt.value_or(""), flags.keep_line_ends);
}

nlohmann::json rate(double tokens_per_second) {
  return tokens_per_second > 0 ? nlohmann::json(tokens_per_second) : nlohmann::json(nullptr);
}

nlohmann::json to_json(const GeneratedText& made) {
  return {{"prompt_ids", made.prompt},
          {"ids", made.ids},
          {"text", made.text},
          {"end", name_of(made.end)},
          {"prompt_tokens_per_s", rate(made.times.prompt_rate())},
          {"answer_tokens_per_s", rate(made.times.answer_rate())}};
}

/// "prompt: 12 tokens, 345 tokens/s; answer: 30 tokens, 21.4 tokens/s"
void print_times(const GenerationTimes& times, int64_t answer_tokens) {
  std::ostringstream line;
  const auto say = [&](const char* what, int64_t tokens, double rate) {
    line << what << ": " << tokens << " tokens";
    if (rate > 0) line << ", " << std::setprecision(3) << rate << " tokens/s";
  };
  say("prompt", times.prompt_tokens, times.prompt_rate());
  say("; answer", answer_tokens, times.answer_rate());
  std::cerr << line.str() << "\n";
}

/// What the command says on stdout: the text as it comes, or one JSON object at the end.
class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  /// False when nobody waits for more.
  bool show(const std::string& text) {
    if (!json_) std::cout << text << std::flush;
    return std::cout.good();
  }
  void finish(const GeneratedText& made) {
    if (!json_) std::cout << "\n" << std::flush;
    times_ += made.times;
    answer_tokens_ += std::ssize(made.ids);
  }
  void end(const nlohmann::json& all) {
    if (json_)
      print_json(all);
    else if (answer_tokens_ + times_.prompt_tokens > 0)
      print_times(times_, answer_tokens_);
  }

 private:
  bool json_;
  GenerationTimes times_;
  int64_t answer_tokens_ = 0;
};

int continue_text(const Flags& flags, Tokenizer tokenizer) {
  const std::vector<int32_t> prompt = tokenizer.encode(prompt_of(flags), puts_bos(flags.bos, tokenizer));
  if (prompt.empty())
    fail<UsageError>("--prompt: is empty; give some text, or --bos on to begin from nothing");
  const ReadyModel ready(flags.model, flags.sampling.attention, 0, std::move(tokenizer));
  check_ids(prompt, ready.config().vocab_size, "--prompt");
  check_growth(ready.config(), flags.sampling.attention, std::ssize(prompt), flags.sampling.max_tokens);
  ready.announce(std::ssize(prompt) + flags.sampling.max_tokens, flags.bos, kWhere);
  Output output(flags.json);
  Generator generator(ready.model());
  const GeneratedText made = generate_text(generator, ready.tokenizer(), prompt, flags.sampling,
                                           [&](const std::string& text) { return output.show(text); });
  output.finish(made);
  output.end(to_json(made));
  return 0;
}

/// One turn of a chat. Announces positions when a text is the first that goes beyond what the model is made
/// for.
class Turns {
 public:
  Turns(const Flags& flags, const ReadyModel& ready, ChatTemplate form)
      : flags_(flags),
        ready_(ready),
        chat_(ready.model(), ready.tokenizer(), std::move(form), flags.system),
        output_(flags.json) {}

  void take(const std::string& message) {
    const std::vector<int32_t> prompt = chat_.prompt_for(message);
    check_ids(prompt, ready_.config().vocab_size, "--prompt");
    check_growth(ready_.config(), flags_.sampling.attention, std::ssize(prompt), flags_.sampling.max_tokens);
    const int64_t tokens = std::ssize(prompt) + flags_.sampling.max_tokens;
    const bool beyond = tokens > ready_.config().max_position_embeddings;
    if (!announced_ || (beyond && !announced_beyond_)) ready_.announce(tokens);
    announced_ = true;
    announced_beyond_ = beyond;
    const GeneratedText made =
        chat_.answer(message, flags_.sampling, [&](const std::string& text) { return output_.show(text); });
    output_.finish(made);
    made_.push_back(to_json(made));
  }
  void end_one() { output_.end(made_.at(0)); }
  void end() { output_.end({{"turns", made_}}); }

 private:
  const Flags& flags_;
  const ReadyModel& ready_;
  Chat chat_;
  Output output_;
  nlohmann::json made_ = nlohmann::json::array();
  bool announced_ = false, announced_beyond_ = false;
};

/// A message a line, until the input ends; empty lines are none. On a terminal a line that is no text is
/// asked for again.
void take_lines(const Flags& flags, Turns& turns) {
  const bool asks = isatty(STDIN_FILENO) != 0;
  std::string line;
  while (std::cout.good()) {
    if (asks) std::cerr << "> " << std::flush;
    if (!std::getline(std::cin, line)) break;
    TextForm(flags.keep_line_ends).apply(line);
    try {
      check_text(line, "stdin");
    } catch (const Error& error) {
      if (!asks) throw;
      note(error.what());
      continue;
    }
    if (line.ends_with('\n')) line.pop_back();
    if (!line.empty()) turns.take(line);
  }
  if (asks) std::cerr << "\n";
  check_stdin();
}

int chat(const Flags& flags, Tokenizer tokenizer) {
  ChatTemplate form = ChatTemplate::of_model(flags.model.model, flags.chat_template);
  chat_token(tokenizer,
             form.end());  // a form that this vocabulary cannot say is refused before the model is read
  const std::string message = flags.has_prompt() ? prompt_of(flags) : "";
  if (flags.has_prompt() && message.empty()) fail<UsageError>("--prompt: is empty; give the user's message");
  const ReadyModel ready(flags.model, flags.sampling.attention, 0, std::move(tokenizer));
  std::cerr << "chat: the template " << form.name()
            << (flags.chat_template.empty() ? ", the model's own\n" : ", as named\n");
  Turns turns(flags, ready, std::move(form));
  if (flags.has_prompt()) {
    turns.take(message);
    turns.end_one();
  } else {
    try {
      take_lines(flags, turns);
    } catch (const Error&) {
      turns.end();  // what was answered is not lost
      throw;
    }
    turns.end();
  }
  return 0;
}

int run(Flags flags) {
  flags.sampling.attention = attention_given(flags.attention);
  flags.sampling.stop_at_eos = !flags.ignore_eos;
  flags.sampling.validate();
  Tokenizer tokenizer = load_tokenizer(flags.model);
  flags.sampling.vocabulary = tokenizer.vocab_size();
  return flags.chat ? chat(flags, std::move(tokenizer)) : continue_text(flags, std::move(tokenizer));
}

void add_sampling_flags(CLI::App& app, SamplingOptions& sampling) {
  const auto add = [&](const std::string& flag, auto& member, CLI::Validator takes, const std::string& help) {
    app.add_option(flag, member, help)->transform(takes)->capture_default_str();
  };
  add("--max-tokens", sampling.max_tokens, token_count(), "At most so many new tokens");
  add("--temperature", sampling.temperature, real_number(), "0: always the likeliest token");
  add("--top-k", sampling.top_k, whole_number(), "Sample among so many likeliest tokens; 0: all");
  add("--top-p", sampling.top_p, real_number(), "Sample among the fewest tokens that hold this share");
  add("--min-p", sampling.min_p, real_number(),
      "Sample among tokens with at least this share of the likeliest one's probability");
  add("--repetition-penalty", sampling.repetition_penalty, real_number(),
      "Over 1: tokens of prompt and answer become less likely");
  app.add_option("--stop", sampling.stop, "Texts that end the answer; nothing of them is shown")
      ->type_name("TEXT");
  add("--seed", sampling.seed, seed_number(), "The same seed gives the same text");
}

void add_chat_flags(CLI::App& app, Flags& flags) {
  CLI::Option* chat =
      app.add_flag("--chat", flags.chat,
                   "The prompt is a user's message, and the model answers; without a prompt each "
                   "line of stdin is one");
  app.add_option("--system", flags.system, "What the system says before the first message")
      ->type_name("TEXT")
      ->needs(chat);
  add_chat_template_flag(app, flags.chat_template)->needs(chat);
  app.get_option("--bos")->excludes(chat);  // BOS is the template's
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_model_flags(app, flags->model);
  add_attention_flag(app, flags->attention);
  begin_section(app, section::kGeneration);
  CLI::Option* prompt =
      app.add_option("--prompt", flags->prompt, "The text to continue; -: stdin")->type_name("TEXT");
  app.add_option("--prompt-file", flags->prompt_file, "File with the text to continue; -: stdin")
      ->type_name("FILE")
      ->excludes(prompt);
  add_sampling_flags(app, flags->sampling);
  add_bos_flag(app, flags->bos, kWhere);
  add_chat_flags(app, *flags);
  app.add_flag("--ignore-eos", flags->ignore_eos, "Go on after the end of a document");
  add_line_ends_flag(app, flags->keep_line_ends);
  begin_section(app, section::kOutput);
  app.add_flag("--json", flags->json, "Print one JSON object at the end");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "generate", "Continue a text, or hold a chat", set_up,
    "scca generate --model LLAMA_FOLDER --adapter runs/mine/adapter --prompt 'It was'\n"
    "scca generate --model CHAT_MODEL --chat --system 'Be brief.'");

}  // namespace
}  // namespace scca
