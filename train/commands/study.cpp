// scca study: attention patterns compared, from training to the page.
#include "train/study/study.h"

#include <iostream>
#include <memory>

#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/study/page.h"

namespace scca {
namespace {

struct Flags {
  StudySettings study;
  std::string patterns;
};

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  StudySettings& study = flags->study;
  FinetuneSettings& finetune = study.finetune;
  finetune.train.seed = 1;
  add_model_flags(app, finetune.model, /*with_adapter=*/false);
  add_lora_flags(app, finetune);
  add_train_flags(app, finetune.train);
  // A study decides these for each row, and judges at the end.
  for (const char* flag : {"--attention", "--eval-every"}) app.remove_option(app.get_option(flag));
  app.get_option("--eval-data")->required()->description("Texts that every row is judged on");
  app.get_option("--seed")->description("The first seed: row order, dropout and LoRA's start");
  begin_section(app, section::kAttention);
  app.add_option("--patterns", flags->patterns,
                 "Attention patterns with commas between: full,local,scca-fixed")
      ->type_name("SPECS")
      ->required();
  begin_section(app, section::kTraining);
  app.add_option("--seeds", study.seeds, "Runs of each pattern; may grow when a study is resumed")
      ->transform(whole_number());
  begin_section(app, section::kEvaluation);
  add_list(app, "--lengths", study.lengths, token_count(),
           "Evaluation lengths: 512,1k,2k (default: doubling up to --context)");
  app.add_option("--passkey-trials", study.passkey_trials, "Passkeys at each length and depth; 0 for none")
      ->transform(whole_number());
  app.add_option("--recall-passages", study.recall_passages, "Passages of the recall curve; 0 for none")
      ->transform(whole_number());
  return [flags] {
    flags->study.patterns = split_patterns(flags->patterns);
    const Study study = plan_study(flags->study);
    if (const int code = run_study(study); code != 0) return code;
    std::cout << write_study_page(study);
    std::cerr << "the page: " << (study.out() / "study.html").string() << "\n";
    return 0;
  };
}

const RegisterCommand line(
    "study", "Compare attention patterns: fine-tune, evaluate, and write the page", set_up,
    "scca study --model LLAMA_FOLDER --data BOOKS_FOLDER --eval-data held_out.txt --context 8k "
    "--patterns full,s2,scca-fixed,longmixed --seeds 3 --out runs/study");

}  // namespace
}  // namespace scca
