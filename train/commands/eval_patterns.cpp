// scca eval patterns: how well a pattern stands in for a model's own attention, without training.
#include <iostream>
#include <memory>

#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/data/bos.h"
#include "train/study/approximation.h"
#include "train/study/study.h"

namespace scca {
namespace {

struct Flags {
  ApproximationSettings settings;
  std::string patterns, out;
};

int run(const Flags& flags) {
  ApproximationSettings settings = flags.settings;
  settings.patterns = split_patterns(flags.patterns);
  settings.out = flags.out;
  const Approximation approximation = plan_approximation(std::move(settings));
  if (run_approximation(approximation) != 0) {
    std::cerr << "stopped; the same command with --resume goes on from there\n";
    return 1;
  }
  std::cout << write_approximation_page(approximation);
  std::cerr << "the page: " << (approximation.settings.out / "patterns.html").string() << "\n";
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  ApproximationSettings& settings = flags->settings;
  add_model_flags(app, settings.model);
  add_text_flags(app, settings.text);
  add_bos_flag(app, settings.text.bos, "before every document");
  begin_section(app, section::kEvaluation);
  add_list(app, "--context", settings.lengths, token_count(),
           "Tokens of a window, each length by itself: 2k,4k,8k")
      ->required();
  app.add_option("--patterns", flags->patterns,
                 "Attention patterns with commas between (default: all that scca patterns lists)")
      ->type_name("SPECS");
  app.add_option(
         "--parts", settings.parts,
         "Of the depth: each pattern also stands in each part alone, at the longest length; 0 for none")
      ->transform(whole_number())
      ->capture_default_str();
  begin_section(app, section::kOutput);
  app.add_option("--out", flags->out, "Folder of the page and of every cell")->type_name("OUT")->required();
  app.add_flag("--resume", settings.resume, "Go on with what is in --out; patterns and lengths may change");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "eval patterns", "How well patterns stand in for a model's own attention, untrained", set_up,
    "scca eval patterns --model LLAMA_FOLDER --data held_out.txt --context 2k,4k,8k --out runs/patterns");

}  // namespace
}  // namespace scca
