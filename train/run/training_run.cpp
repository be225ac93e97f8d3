#include "train/run/training_run.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <iostream>
#include <optional>
#include <utility>

#include "core/check.h"
#include "models/own_attention.h"
#include "train/cli/rope_flags.h"
#include "train/data/bos.h"
#include "train/report/messages.h"
#include "train/report/table.h"
#include "train/run/attention_schedule.h"
#include "train/run/trainer.h"
#include "train/run/training_data.h"

namespace scca {

void check_vocabulary(const Tokenizer& tokenizer, const LlamaConfig& config) {
  SCCA_CHECK(tokenizer.pieces() <= config.vocab_size, "the tokenizer has ", tokenizer.pieces(),
             " pieces, but the model's vocab_size is ", config.vocab_size,
             "; use the tokenizer that belongs to the model");
}

std::string shell_word(const std::string& word) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) || std::strchr("_-./:=,+@%", c); };
  if (!word.empty() && std::ranges::all_of(word, plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

namespace {

/// The loss under the model's own attention, without the training and with it.
class Judge {
 public:
  /// Rows enough to see a difference, for a fortieth of the run's own: two evaluations cost 2 % of its time.
  Judge(Llama& model, const TrainSettings& train, const TokenRows& data, const TokenRows* eval_data)
      : model_(model), train_(train), data_(eval_data ? *eval_data : data) {
    const int64_t trained = train.steps * train.rows_per_step();
    if (trained >= 20) rows_ = std::min(data_.rows(), std::clamp<int64_t>(trained / 40, 1, 16));
    numbers_.judged_on = concat("the first ", rows_ * train.context, " tokens of ",
                                eval_data ? "--eval-data" : "--data, which it was trained on");
  }

  const RunNumbers& numbers() const { return numbers_; }
  void before() { numbers_.before = loss(); }
  void after() { numbers_.after = loss(); }

 private:
  std::optional<double> loss() const {
    if (rows_ == 0) return std::nullopt;
    return own_attention_loss(model_, data_, rows_, train_.batch);
  }

  Llama& model_;
  const TrainSettings& train_;
  const TokenRows& data_;
  int64_t rows_ = 0;
  RunNumbers numbers_;
};

void say_end(const RunFolder& run, const LlamaConfig& config, const TrainingOutput& output,
             const RunNumbers& numbers, const Trainer& trainer) {
  const auto path = [&](const std::string& name) { return shell_word((run.path() / name).string()); };
  std::cerr << output.name << ": " << path(output.name) << "\n";
  if (numbers.before && numbers.after)
    std::cerr << "loss under " << own_attention_name(config) << " on " << numbers.judged_on << ": "
              << fixed(*numbers.before, 3) << " before, " << fixed(*numbers.after, 3) << " after (perplexity "
              << fixed(std::exp(*numbers.before), 1) << " to " << fixed(std::exp(*numbers.after), 1) << ")\n";
  if (const auto best = trainer.best())
    std::cerr << "best evaluation: loss " << fixed(best->loss, 3) << " after step " << best->step
              << ", kept in " << path("best") << "\n";
  const char* begins = "next: ";
  for (const std::string& command : output.next)
    std::cerr << std::exchange(begins, "      ") << command << "\n";
}

}  // namespace

int run_training(Llama& model, const LlamaConfig& given, const Tokenizer& tokenizer,
                 const TrainSettings& train, RunRecord record, const TrainingOutput& output) {
  CheckedTraining(model, train);  // before the time that tokenising takes
  const TokenRows data = training_rows(train, tokenizer);
  std::optional<TokenRows> eval_data;
  if (train.eval_every > 0) eval_data = evaluation_rows(train, tokenizer);
  RunFolder run(train.out, train.resume);
  Judge judge(model, train, data, eval_data ? &*eval_data : nullptr);
  if (output.judged) judge.before();
  const auto numbers_at = [&](int64_t step, double last_loss) {
    RunNumbers numbers = judge.numbers();
    numbers.step = step;
    numbers.last_loss = last_loss;
    return numbers;
  };
  Trainer trainer(model,
                  {.train = train,
                   .record = std::move(record),
                   .data = &data,
                   .eval_data = eval_data ? &*eval_data : nullptr,
                   .write =
                       [&](const std::filesystem::path& folder, const RunNumbers& now) {
                         output.write(folder);
                         output.describe(folder, numbers_at(now.step, now.last_loss));
                       },
                   .output = output.name},
                  run);
  const bool was_done = trainer.step() == train.steps;
  announce_rope(given, model.config, train.trained_length());
  announce_bos(train.bos, tokenizer, "before every document");
  if (!train.attention.empty()) {  // a model's own window may be longer than a row, and nobody chose it
    const AttentionSchedule chosen(train.attention);
    for (const auto& phase : chosen.phases())
      if (const std::string whole = phase.attention.longer_than(train.context); !whole.empty()) note(whole);
  }
  if (trainer.run() == TrainEnd::interrupted) {
    std::cerr << "stopped and saved after step " << trainer.step() << " of " << train.steps
              << "; the same command with --resume goes on from there\n";
    return 1;
  }
  if (output.judged) judge.after();
  const RunNumbers numbers = numbers_at(trainer.step(), trainer.last_loss());
  output.describe(run.path() / output.name, numbers);
  std::cerr << (was_done ? "done already: " : "done: ") << run.name() << ", "
            << (was_done ? concat(train.steps, " steps, ") : "") << "last loss " << trainer.last_loss()
            << "\n";
  if (!output.next.empty()) say_end(run, model.config, output, numbers, trainer);
  return 0;
}

}  // namespace scca
