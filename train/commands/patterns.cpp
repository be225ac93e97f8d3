// scca patterns: an attention spec as the plan that the kernels read, and as a picture.
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "core/check.h"
#include "nn/patterns/coverage.h"
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

constexpr int64_t default_layers = 4;  // enough for every registered pattern but s2 and local at chunk N/4

/// The layer whose plan is shown.
int64_t chosen_layer(const Flags& flags, const AttentionSpec& spec) {
  const int64_t layer = flags.layer.value_or(0);
  if (layer < 0 || (flags.layers > 0 && layer >= flags.layers)) {
    fail<UsageError>("--layer ", layer, ": expected a layer from 0",
                     flags.layers > 0 ? concat(" to ", flags.layers - 1) : "");
  }
  if (!flags.layer && spec.distinct_layers() > 1)
    std::cerr << "the spec differs between layers: this is the plan of layer 0; --layer chooses another\n";
  return layer;
}

std::string title(const Flags& flags, const AttentionSpec& spec, int64_t layer) {
  return concat(spec.to_string(), ", ", flags.tokens, " tokens, ", flags.heads,
                flags.heads == 1 ? " head" : " heads",
                spec.distinct_layers() > 1 ? concat("; heads of layer ", layer) : "");
}

int run(const Flags& flags) {
  if (flags.tokens < 1) fail<UsageError>("--tokens ", flags.tokens, ": expected 1 or more");
  if (flags.heads < 1) fail<UsageError>("--heads ", flags.heads, ": expected 1 or more");
  if (flags.layers < 0) fail<UsageError>("--layers ", flags.layers, ": expected 1 or more");
  const AttentionSpec spec = parse_attention_spec(flags.spec);
  if (flags.layers > 0) spec.check_layers(flags.layers);
  const int64_t layer = chosen_layer(flags, spec);
  const PlanPtr plan = spec.plan(flags.tokens, flags.heads, layer);
  const int64_t layers = flags.layers > 0 ? flags.layers : std::max(default_layers, spec.distinct_layers());
  std::vector<PlanPtr> plans;
  for (int64_t l = 0; l < std::min(layers, spec.distinct_layers()); ++l)
    plans.push_back(spec.plan(flags.tokens, flags.heads, l));
  if (!flags.png.empty()) {
    write_pattern_picture(flags.png, *plan, title(flags, spec, layer), plans, layers);
    std::cerr << "picture: " << flags.png << "\n";
  }
  nlohmann::json json = plan_to_json(*plan);
  json["layer"] = layer;
  json["reach_by_layer"] = nullptr;
  if (flags.tokens <= max_exact_reach) json["reach_by_layer"] = reach_by_layer(plans, layers);
  print_json(json);
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("spec", flags->spec,
                 "Attention pattern: full, local(chunk=512), 'full@0;scca-fixed', @plan.json, ...")
      ->required();
  app.add_option("--tokens", flags->tokens, "Tokens of the sequence")->required();
  app.add_option("--heads", flags->heads, "Query heads of the model")->required();
  app.add_option(
      "--layers", flags->layers,
      "Layers of the model, over which the reach is shown (default: 4, or as many as the spec names)");
  app.add_option("--layer", flags->layer,
                 "Which layer's plan, where the spec differs between layers (default: 0)");
  app.add_option("--png", flags->png, "Also draw the plan, and what the layers reach, into this file");
  app.add_flag("--json", flags->json, "The plan is printed as one JSON object with and without this");
  return [flags] { return run(*flags); };
}

const RegisterCommand line("patterns", "Print an attention pattern's plan as JSON, or draw it", set_up);

}  // namespace
}  // namespace scca
