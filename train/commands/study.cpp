// scca study: attention patterns compared, from training to the page.
#include "train/study/study.h"

#include <iostream>
#include <memory>

#include "train/cli/command.h"
#include "train/cli/settings_file.h"
#include "train/cli/threads_flag.h"
#include "train/study/page.h"

namespace scca {
namespace {

Action set_up(CLI::App& app) {
  auto settings = std::make_shared<StudySettings>();
  settings->finetune.train.seed = 1;
  auto file = std::make_shared<SettingsFile>(app, "study");
  add_flags(app, study_settings(*settings));
  add_threads_flag(app);
  return [settings, file] {
    file->read(study_settings(*settings));
    const Study study = plan_study(*settings);
    if (const int code = run_study(study); code != 0) return code;
    std::cout << write_study_page(study);
    std::cerr << "the page: " << (study.out() / "study.html").string() << "\n";
    return 0;
  };
}

const RegisterCommand line(
    "study", "Compare attention patterns: fine-tune, evaluate, and write the page", set_up,
    "scca study --model LLAMA_FOLDER --data BOOKS_FOLDER --eval-data held_out.txt --context 8k "
    "--patterns full,s2,scca-fixed,longmixed --seeds 3 --out runs/study\n"
    "scca study --config runs/study/study.json --out runs/again --seed 4");

}  // namespace
}  // namespace scca
