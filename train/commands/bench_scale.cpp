// scca bench scale: how a step's time and memory grow with the context and with the model.
#include <iostream>
#include <memory>

#include "train/bench/scale.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

struct Flags {
  bool quick = false, json = false;
};

int run(const Flags& flags) {
  Progress progress("scale");
  const Scale scale = measure_scale(flags.quick ? ScaleOptions::quick() : ScaleOptions::usual(),
                                    [&](int64_t done, int64_t all) { progress.update(done, all); });
  progress.finish();
  if (flags.json) {
    print_json(to_json(scale));
  } else {
    std::cout << to_text(scale);
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  begin_section(app, section::kEvaluation);
  app.add_flag("--quick", flags->quick, "Up to 16384 tokens and 135 M parameters");
  begin_section(app, section::kOutput);
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line("bench scale",
                           "How a step grows with the context and with the model, as exponents", set_up,
                           "scca bench scale --quick");

}  // namespace
}  // namespace scca
