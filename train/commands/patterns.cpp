// scca patterns: an attention spec as the plan that the kernels read, and as a picture.
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "core/check.h"
#include "nn/patterns/bounds.h"
#include "nn/patterns/coverage.h"
#include "nn/patterns/parameters.h"
#include "nn/patterns/plan_json.h"
#include "nn/patterns/spec.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/report/pattern_picture.h"

namespace scca {
namespace {

struct Flags {
  std::string spec, png, causal = "on";
  int64_t tokens = 0, heads = 0, layers = 0;
  std::optional<int64_t> layer;
  bool json = false;
  CLI::App* app = nullptr;  // knows which flags were given
};

constexpr int64_t kDefaultLayers =
    4;  // enough for every registered pattern but window, s2 and local at chunk N/4

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
  return concat(spec.to_string(), flags.causal == "off" ? " in both directions, " : ", ", flags.tokens,
                " tokens, ", flags.heads, flags.heads == 1 ? " head" : " heads",
                spec.distinct_layers() > 1 ? concat("; heads of layer ", layer) : "");
}

/// "chunk: tokens or a fraction of the sequence (1/4)"
std::string text_of(const Parameter& parameter) {
  return concat(parameter.name, parameter.name.empty() ? "" : ": ", parameter.takes,
                parameter.standard.empty() ? "" : " (" + parameter.standard + ")");
}

nlohmann::json json_of(const Parameter& parameter) {
  return {
      {"name", parameter.name.empty() ? nlohmann::json(nullptr) : nlohmann::json(parameter.name)},
      {"takes", parameter.takes},
      {"default", parameter.standard.empty() ? nlohmann::json(nullptr) : nlohmann::json(parameter.standard)}};
}

/// What there is, for who has no spec yet.
int list(bool json) {
  nlohmann::json all = nlohmann::json::array();
  std::vector<std::pair<std::string, std::string>> rows;
  for (const PatternEntry& entry : registered_patterns()) {
    nlohmann::json parameters = nlohmann::json::array();
    rows.push_back({entry.name, entry.summary});
    for (const Parameter& parameter : parameters_of(entry)) {
      parameters.push_back(json_of(parameter));
      rows.push_back({"", text_of(parameter)});
    }
    all.push_back({{"name", entry.name},
                   {"summary", entry.summary},
                   {"parameters", parameters},
                   {"examples", entry.examples}});
  }
  if (json) {
    // what every pattern takes besides its own
    const nlohmann::json every = nlohmann::json::array({json_of(sinks_parameter())});
    print_json({{"patterns", all}, {"every_pattern_takes", every}});
    return 0;
  }
  rows.push_back({"(every pattern)", "takes besides"});
  rows.push_back({"", text_of(sinks_parameter())});
  const size_t width = help_width();
  std::cout << "What a query sees, never beyond itself, and the parameters (when not given)\n\n"
            << format_rows(rows, width) << "\nWritten as\n"
            << format_rows(
                   {{"local(chunk=2k)", "one pattern for all layers, here in chunks of 2048 tokens"},
                    {"full@0,1;scca-fixed", "full attention in layers 0 and 1, scca-fixed in all others"},
                    {"local(sinks=4)", "in any pattern: every query also sees the first 4 tokens of the row"},
                    {"@plan.json", "a plan as scca patterns SPEC prints it"}},
                   width);
  return 0;
}

/// Without a pattern there is nothing for the other flags to say.
void check_listing(const CLI::App& app) {
  for (const CLI::Option* option : options_of(app))
    if (option->count() > 0 && !option->check_name("--json"))
      fail<UsageError>(option->get_name(),
                       " goes with a pattern, as in scca patterns local --tokens 128 --heads 4; without one "
                       "the patterns are listed");
}

int run(const Flags& flags) {
  if (flags.app->count("spec") == 0) {
    check_listing(*flags.app);
    return list(flags.json);
  }
  for (const char* flag : {"--tokens", "--heads"})
    if (flags.app->count(flag) == 0)
      fail<UsageError>(flag, " is required with a pattern; see scca patterns --help");
  if (flags.tokens < 1) fail<UsageError>("--tokens ", flags.tokens, ": expected 1 or more");
  if (flags.heads < 1) fail<UsageError>("--heads ", flags.heads, ": expected 1 or more");
  if (flags.layers < 0) fail<UsageError>("--layers ", flags.layers, ": expected 1 or more");
  const AttentionSpec given = parse_attention_spec(flags.spec);
  const AttentionSpec spec = flags.causal == "off" ? given.bidirectional() : given;
  if (flags.layers > 0) spec.check_layers(flags.layers);
  const int64_t layer = chosen_layer(flags, spec);
  const PlanPtr plan = spec.plan(flags.tokens, flags.heads, layer);
  const int64_t layers = flags.layers > 0 ? flags.layers : std::max(kDefaultLayers, spec.distinct_layers());
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
  if (flags.tokens <= kMaxExactReach) json["reach_by_layer"] = reach_by_layer(plans, layers);
  print_json(json);
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->app = &app;
  app.add_option(
      "spec", flags->spec,
      "Attention pattern: full, local(chunk=512), 'full@0;scca-fixed', @plan.json, ...; without one the "
      "patterns are listed");
  begin_section(app, section::kAttention);
  app.add_option("--tokens", flags->tokens, "Tokens of the sequence; needed with a pattern")
      ->transform(token_count());
  app.add_option("--heads", flags->heads, "Query heads of the model; needed with a pattern")
      ->transform(whole_number());
  app.add_option(
         "--layers", flags->layers,
         "Layers of the model, over which the reach is shown (default: 4, or as many as the spec names)")
      ->transform(whole_number(kMostLayers));
  app.add_option("--layer", flags->layer,
                 "Which layer's plan, where the spec differs between layers (default: 0)")
      ->transform(whole_number());
  app.add_option("--causal", flags->causal, "off: a query sees keys behind it too, as the pattern shows them")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  begin_section(app, section::kOutput);
  app.add_option("--png", flags->png, "Also draw the plan, and what the layers reach, into this file")
      ->type_name("FILE");
  app.add_flag("--json", flags->json, "One JSON object, as a plan always is");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "patterns", "List the attention patterns; print one's plan as JSON, or draw it", set_up,
    "scca patterns\nscca patterns 'scca-fixed(chunk=512)' --tokens 2k --heads 8 --png mask.png");

}  // namespace
}  // namespace scca
