// scca patterns: an attention spec as the plan that the kernels read, and as a picture.
#include <iostream>
#include <memory>
#include <optional>

#include "core/check.h"
#include "nn/patterns/plan_json.h"
#include "nn/patterns/spec.h"
#include "train/command.h"
#include "train/pattern_picture.h"

namespace scca {
namespace {

struct Flags {
  std::string spec, png;
  int64_t tokens = 0, heads = 0, layers = 0;
  std::optional<int64_t> layer;
  bool json = false;
};

/// The layer whose plan is shown. A spec that differs between layers has no plan of its own.
int64_t chosen_layer(const Flags& flags, const AttentionSpec& spec) {
  if (flags.layers > 0) spec.check_layers(flags.layers);
  if (!flags.layer && spec.distinct_layers() > 1) {
    fail<UsageError>("'", flags.spec, "' is not the same in all layers; choose one with --layer 0, 1, ...");
  }
  const int64_t layer = flags.layer.value_or(0);
  if (layer < 0 || (flags.layers > 0 && layer >= flags.layers)) {
    fail<UsageError>("--layer ", layer, ": expected a layer from 0",
                     flags.layers > 0 ? concat(" to ", flags.layers - 1) : "");
  }
  return layer;
}

int run(const Flags& flags) {
  if (flags.tokens < 1) fail<UsageError>("--tokens ", flags.tokens, ": expected 1 or more");
  if (flags.heads < 1) fail<UsageError>("--heads ", flags.heads, ": expected 1 or more");
  if (flags.layers < 0) fail<UsageError>("--layers ", flags.layers, ": expected 1 or more");
  const AttentionSpec spec = parse_attention_spec(flags.spec);
  const PlanPtr plan = spec.plan(flags.tokens, flags.heads, chosen_layer(flags, spec));
  if (!flags.png.empty()) {
    write_pattern_picture(flags.png, *plan,
                          concat(spec.to_string(), ", ", flags.tokens, " tokens, ", flags.heads, " heads"));
    std::cerr << "picture: " << flags.png << "\n";
  }
  print_json(plan_to_json(*plan));
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("spec", flags->spec,
                 "Attention pattern: full, local(chunk=512), 'full@0;scca-fixed', @plan.json, ...")
      ->required();
  app.add_option("--tokens", flags->tokens, "Tokens of the sequence")->required();
  app.add_option("--heads", flags->heads, "Query heads of the model")->required();
  app.add_option("--layers", flags->layers, "Layers of the model; checks the layers that the spec names");
  app.add_option("--layer", flags->layer, "Which layer's plan, where the spec differs between layers");
  app.add_option("--png", flags->png, "Also draw the plan into this file");
  app.add_flag("--json", flags->json, "The plan is printed as one JSON object with and without this");
  return [flags] { return run(*flags); };
}

const RegisterCommand line("patterns", "Print an attention pattern's plan as JSON, or draw it", set_up);

}  // namespace
}  // namespace scca
