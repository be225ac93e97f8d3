// scca bench profile: where a training step's time goes.
#include <iostream>
#include <memory>

#include "core/file.h"
#include "train/bench/profile.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"

namespace scca {
namespace {

struct Flags {
  ModelFlags model;
  StepOptions step{.batch = 1, .budget = 2};
  std::string trace;
  bool json = false;
};

int run(Flags flags) {
  flags.step.place.dtype = dtype_of(flags.model);
  parse_attention_spec(flags.step.attention);  // an error comes before the weights
  const LlamaConfig config = flags.model.model.empty() ? demo_shape() : read_config(flags.model.model);
  const Profile profile = measure_profile(config, flags.step);
  if (!flags.trace.empty()) write_file(flags.trace, to_trace(profile));
  if (flags.json) {
    print_json(to_json(profile));
  } else {
    std::cout << to_text(profile);
  }
  if (!flags.trace.empty()) std::cerr << "the trace, for ui.perfetto.dev: " << flags.trace << "\n";
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  begin_section(app, section::kModel);
  app.add_option("--model", flags->model.model,
                 "Folder whose config.json shapes the step's model (default: as the demo's); random weights")
      ->type_name("FOLDER");
  app.add_option("--attention", flags->step.attention, "Attention pattern: a spec, see scca patterns")
      ->type_name("SPEC")
      ->capture_default_str();
  app.add_option("--dtype", flags->model.dtype, "What frozen weights and activations are kept in")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  begin_section(app, section::kEvaluation);
  app.add_option("--context", flags->step.context, "Tokens of a row")
      ->transform(token_count())
      ->capture_default_str();
  app.add_option("--batch", flags->step.batch, "Rows of the step")
      ->transform(whole_number(1 << 16))
      ->capture_default_str();
  app.add_flag("--checkpointing", flags->step.checkpointing, "Run every layer again in backward");
  begin_section(app, section::kOutput);
  app.add_option("--trace", flags->trace, "Write each call of a kernel here, for ui.perfetto.dev")
      ->type_name("FILE");
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line("bench profile", "Where a training step's time goes, kernel by kernel, on the CPU",
                           set_up, "scca bench profile --context 4k --trace step.json");

}  // namespace
}  // namespace scca
