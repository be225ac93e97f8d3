#include "train/training_run.h"

#include <iostream>
#include <optional>

#include "core/check.h"
#include "train/data.h"
#include "train/rope_flags.h"
#include "train/trainer.h"

namespace scca {

void check_vocabulary(const Tokenizer& tokenizer, const LlamaConfig& config) {
  SCCA_CHECK(tokenizer.pieces() <= config.vocab_size, "the tokenizer has ", tokenizer.pieces(),
             " pieces, but the model's vocab_size is ", config.vocab_size,
             "; use the tokenizer that belongs to the model");
}

int run_training(Llama& model, const LlamaConfig& given, const Tokenizer& tokenizer,
                 const TrainSettings& train, nlohmann::json settings,
                 const std::function<void(const RunFolder& run)>& write_outputs) {
  check_training(model, train);  // before the time that tokenising takes
  const Encode encode = [&](std::string_view text) { return tokenizer.encode(text); };
  const auto rows_of = [&](const std::vector<std::string>& paths, const char* flag) {
    return TokenRows(tokenize_data(paths, encode, tokenizer.eos_id(), flag, train.keep_line_ends),
                     train.context, flag);
  };
  const TokenRows data = rows_of(train.data, "--data");
  std::optional<TokenRows> eval_data;
  if (train.eval_every > 0) eval_data = rows_of(train.eval_data, "--eval-data");
  RunFolder run(train.out, train.resume);
  Trainer trainer(model,
                  {.train = train,
                   .settings = std::move(settings),
                   .data = &data,
                   .eval_data = eval_data ? &*eval_data : nullptr,
                   .write_outputs = [&] { write_outputs(run); }},
                  run);
  const bool was_done = trainer.step() == train.steps;
  announce_rope(given, model.config, train.context);
  if (trainer.run() == TrainEnd::interrupted) {
    std::cerr << "stopped and saved after step " << trainer.step() << " of " << train.steps
              << "; the same command with --resume goes on from there\n";
    return 1;
  }
  std::cerr << (was_done ? "done already: " : "done: ") << run.name() << ", "
            << (was_done ? concat(train.steps, " steps, ") : "") << "last loss " << trainer.last_loss()
            << "\n";
  return 0;
}

}  // namespace scca
