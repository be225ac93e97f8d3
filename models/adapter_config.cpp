#include "models/adapter_config.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "core/check.h"
#include "core/file.h"
#include "models/files/known_fields.h"

namespace scca {
namespace {

using Use = KnownField::Use;

const char* const kPlainLora =
    "null: only plain LoRA is read. Merge it with PEFT (merge_and_unload) and give the merged model";
const char* const kFalse =
    "false: only plain LoRA is read. Merge it with PEFT (merge_and_unload) and give the merged model";
const char* const kPlainStart =
    "true, false, gaussian, eva or orthogonal: another start changes the base's weights, which the adapter "
    "does not "
    "hold. Save it as plain LoRA with PEFT's save_pretrained(path_initial_model_for_weight_conversion=...)";

/// LoraConfig's fields, PEFT 0.3 to 0.21.
const std::vector<KnownField> kFields = {
    {"r", Use::read},
    {"lora_alpha", Use::read},
    {"lora_dropout", Use::read},
    {"use_rslora", Use::read},
    {"rank_pattern", Use::read},
    {"alpha_pattern", Use::read},
    {"target_modules", Use::read},
    {"exclude_modules", Use::read},
    {"layers_to_transform", Use::read},
    {"modules_to_save", Use::read},
    {"ensure_weight_tying", Use::read},
    {"base_model_name_or_path", Use::read},

    {"peft_type", Use::read},
    {"task_type", Use::expected, {"CAUSAL_LM"}, "\"CAUSAL_LM\": the adapter of a language model"},
    {"init_lora_weights", Use::expected, {true, false, "gaussian", "eva", "orthogonal"}, kPlainStart},
    {"bias", Use::expected, {"none", "all", "lora_only"}, "\"none\", \"all\" or \"lora_only\""},
    {"lora_bias", Use::expected, {false}, "false: biases of the updates are not read"},
    {"fan_in_fan_out", Use::expected, {false}, "false: a LLaMA's layers are not stored transposed"},
    {"use_dora", Use::expected, {false}, kFalse},
    {"use_qalora", Use::expected, {false}, kFalse},
    {"use_bdlora", Use::expected, {false}, kPlainLora},
    {"alora_invocation_tokens", Use::expected, {}, kPlainLora},
    {"trainable_token_indices", Use::expected, {Json()}, kPlainLora},  // PEFT fails on an empty one
    {"layer_replication", Use::expected, {}, kPlainLora},
    {"target_parameters", Use::expected, {}, kPlainLora},
    {"megatron_config", Use::expected, {}, kPlainLora},
    {"arrow_config", Use::expected, {}, kPlainLora},
    {"kasa_config", Use::expected, {}, kPlainLora},
    {"monteclora_config", Use::expected, {}, kPlainLora},
    {"velora_config", Use::expected, {}, kPlainLora},

    {"peft_version", Use::harmless},
    {"revision", Use::harmless},
    {"auto_mapping", Use::harmless},
    {"inference_mode", Use::harmless},
    {"merge_weights", Use::harmless},      // whether PEFT 0.2 merged for inference
    {"layers_pattern", Use::harmless},     // where layers_to_transform counts; a LLaMA has one place
    {"runtime_config", Use::harmless},     // of the machine
    {"megatron_core", Use::harmless},      // read with megatron_config alone
    {"qalora_group_size", Use::harmless},  // read with use_qalora alone
    // How a start is computed; which start it was, init_lora_weights says.
    {"loftq_config", Use::harmless},
    {"eva_config", Use::harmless},
    {"corda_config", Use::harmless},
    {"lora_ga_config", Use::harmless},
};

/// PEFT takes a module's whole name or its end.
bool names_end(const std::string& end, const std::string& module) {
  return module == end || module.ends_with("." + end);
}

std::string in_small_letters(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool any_names(const auto& ends, const std::string& module) {
  return std::ranges::any_of(ends, [&](const std::string& end) { return names_end(end, module); });
}

/// A field that holds a name or a list of names; null is none.
std::vector<std::string> names_of(const JsonFields& fields, const char* key) {
  const Json value = fields.json().value(key, Json());
  if (value.is_null()) return {};
  if (value.is_string()) return {value.get<std::string>()};
  const bool names =
      value.is_array() && std::ranges::all_of(value, [](const Json& name) { return name.is_string(); });
  SCCA_CHECK(names, fields.where(), ": ", key, " is ", short_text(value), ", expected names");
  return value.get<std::vector<std::string>>();
}

/// target_modules or exclude_modules.
NamedLayers named_layers(const JsonFields& fields, const char* key) {
  const std::vector<std::string> names = names_of(fields, key);
  NamedLayers layers;
  if (names.empty() || names[0].empty() || !fields.json()[key].is_string()) {
    layers.ends = {names.begin(), names.end()};
    return layers;
  }
  layers.all_linear = in_small_letters(names[0]) == "all-linear";
  if (layers.all_linear) return layers;
  try {
    layers.pattern = NamePattern(names[0]);
  } catch (const Error&) {
    layers.open = true;  // one that is not read: the tensors tell
  }
  return layers;
}

/// rank_pattern and alpha_pattern: a number for the layers whose name, or its end, a key matches (PEFT's
/// get_pattern_key).
AdapterConfig::LayerNumbers numbers_of(const JsonFields& fields, const char* key, const std::string& text) {
  AdapterConfig::LayerNumbers numbers;
  const Json* object = fields.object(key);
  if (!object) return numbers;
  std::vector<std::string> names = text.empty() ? std::vector<std::string>() : keys_in_order(text, key);
  if (text.empty())
    for (const auto& [name, value] : object->items()) names.push_back(name);
  for (const std::string& name : names) {
    const Json& value = (*object)[name];
    SCCA_CHECK(value.is_number(), fields.where(), ": ", key, " has ", short_text(Json(name)), ": ",
               short_text(value), ", expected a number");
    try {
      numbers.emplace_back(NamePattern(name), value.get<double>());
    } catch (const Error& error) {
      fail(fields.where(), ": ", key, " has ", error.what());
    }
  }
  return numbers;
}

double number_for(const AdapterConfig::LayerNumbers& numbers, const std::string& layer, double otherwise) {
  for (const auto& [pattern, value] : numbers)
    if (pattern.matches_end(layer)) return value;
  return otherwise;
}

std::set<int64_t> layers_of(const JsonFields& fields) {
  const Json value = fields.json().value("layers_to_transform", Json());
  std::set<int64_t> layers;
  for (const Json& layer : value.is_array()  ? value
                           : value.is_null() ? Json::array()
                                             : Json::array({value})) {
    SCCA_CHECK(layer.is_number_integer(), fields.where(), ": layers_to_transform is ", short_text(value),
               ", expected a layer's number or a list of them");
    layers.insert(layer.get<int64_t>());
  }
  return layers;
}

void read_targets(const JsonFields& fields, AdapterConfig& config) {
  config.layers = layers_of(fields);
  config.targeted = named_layers(fields, "target_modules");
  config.excluded = named_layers(fields, "exclude_modules");
  const Json targets = fields.json().value("target_modules", Json());
  SCCA_CHECK(targets.is_null() || !says_nothing(targets), fields.where(), ": target_modules names no layer");
  SCCA_CHECK(!targets.is_string() || config.layers.empty(), fields.where(),
             ": layers_to_transform beside an expression in target_modules, expected one of the two: PEFT "
             "reads no such file");
  if (targets.is_array()) config.info.lora.targets = config.targeted.ends;
  config.targeted.open |= targets.is_null();  // PEFT's own choice
}

/// The words of --train that modules_to_save stands for. PEFT also writes dotted names
/// ("model.embed_tokens"), and lists lm_head for a tied embedding.
std::set<std::string> trained_parts(const AdapterConfig& config) {
  std::set<std::string> parts;
  if (config.saves("model.embed_tokens")) parts.insert("embed");
  if (config.saves("model.norm")) parts.insert("norm");
  if (config.saves("lm_head") && !(config.ties && parts.contains("embed"))) parts.insert("head");
  return parts;
}

/// modules_to_save for PEFT: "norm" is all 2 L + 1 of them.
std::vector<std::string> saved_modules(const AdapterInfo& info, bool tied) {
  std::vector<std::string> modules;
  if (info.trained.contains("embed")) modules.push_back("embed_tokens");
  if (info.trained.contains("norm")) modules.push_back("norm");
  if (info.trained.contains("head") || (tied && info.trained.contains("embed"))) modules.push_back("lm_head");
  return modules;
}

}  // namespace

int64_t AdapterConfig::rank_of(const std::string& layer) const {
  return static_cast<int64_t>(number_for(rank_pattern, layer, static_cast<double>(info.lora.rank)));
}

double AdapterConfig::scale_of(const std::string& layer) const {
  LoraOptions lora = info.lora;
  lora.rank = rank_of(layer);
  lora.alpha = number_for(alpha_pattern, layer, lora.alpha);
  return lora.scale();
}

bool NamedLayers::names(const std::string& layer) const {
  if (all_linear) return layer != "lm_head" && layer != "model.embed_tokens";
  return pattern ? pattern->matches(layer) : any_names(ends, layer);
}

bool AdapterConfig::targets(const std::string& layer) const {
  return !targeted.open && !targeted.all_linear && !excluded.open && left_out_by(layer).empty();
}

// PEFT's check_target_module_exists.
std::string AdapterConfig::left_out_by(const std::string& layer) const {
  if (!excluded.open && excluded.names(layer)) return "exclude_modules";
  const bool whole = std::ranges::any_of(modules_to_save, [&](const std::string& module) {
    return ("." + layer + ".").find("." + module + ".") != std::string::npos;
  });
  if (whole) return "modules_to_save";
  if (!targeted.open && !targeted.names(layer)) return "target_modules";
  const bool layer_chosen = layers.empty() || std::ranges::any_of(layers, [&](int64_t number) {
                              return layer.starts_with(concat("model.layers.", number, "."));
                            });
  // It counts for names that end so, not for a whole one.
  return layer_chosen || targeted.open || targeted.ends.contains(layer) ? "" : "layers_to_transform";
}

bool AdapterConfig::saves(const std::string& module) const {
  return std::ranges::any_of(modules_to_save,
                             [&](const std::string& name) { return module.ends_with(name); });
}

AdapterConfig adapter_config_from_json(const Json& json, const std::string& where, const std::string& text) {
  SCCA_CHECK(json.is_object(), where, ": ", short_text(json), ", expected a JSON object");
  const JsonFields fields(json, where);
  // First: another kind's fields are all unknown.
  const std::string kind = fields.text("peft_type").value_or("LORA");
  SCCA_CHECK(
      kind == "LORA", where, ": peft_type is ", short_text(Json(kind)), ", expected \"LORA\": ",
      "no other kind of adapter is read. Where PEFT can merge it (merge_and_unload) give the merged model");
  check_known_fields(fields, kFields);
  AdapterConfig config;
  LoraOptions& lora = config.info.lora;
  const auto rank = fields.integer("r");
  const auto alpha = fields.number("lora_alpha");
  SCCA_CHECK(rank && alpha, where, ": no ", rank ? "lora_alpha" : "r", ", expected a number");
  lora.rank = *rank;
  lora.alpha = *alpha;
  lora.dropout = fields.number("lora_dropout").value_or(0);
  lora.rank_stabilised = fields.boolean("use_rslora").value_or(false);
  config.rank_pattern = numbers_of(fields, "rank_pattern", text);
  config.alpha_pattern = numbers_of(fields, "alpha_pattern", text);
  for (const auto& [pattern, rank] : config.rank_pattern)
    SCCA_CHECK(rank >= 1 && rank <= INT32_MAX && rank == std::floor(rank), where,
               ": rank_pattern has a rank of ", rank, ", expected a whole number from 1 up");
  for (const auto& [pattern, alpha] : config.alpha_pattern)
    SCCA_CHECK(std::isfinite(alpha), where, ": alpha_pattern has ", alpha, ", expected a finite number");
  config.biases = fields.text("bias").value_or("none");
  config.ties = fields.boolean("ensure_weight_tying").value_or(false);
  config.modules_to_save = names_of(fields, "modules_to_save");
  config.info.base_model = fields.text("base_model_name_or_path").value_or("");
  config.info.trained = trained_parts(config);
  read_targets(fields, config);
  try {
    lora.validate();
  } catch (const UsageError& error) {
    fail(where, ": ", error.what());
  }
  return config;
}

AdapterConfig read_adapter_config(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "adapter_config.json";
  const std::string text = read_text_file(file);
  return adapter_config_from_json(parse_json(text, file.string()), file.string(), text);
}

Json to_json(const AdapterInfo& info, bool tied) {
  const auto modules = saved_modules(info, tied);
  return {{"peft_type", "LORA"},
          {"task_type", "CAUSAL_LM"},
          {"base_model_name_or_path", info.base_model},
          {"inference_mode", true},
          {"r", info.lora.rank},
          {"lora_alpha", info.lora.alpha},
          {"lora_dropout", info.lora.dropout},
          {"use_rslora", info.lora.rank_stabilised},
          {"target_modules", info.lora.targets},
          {"modules_to_save", modules.empty() ? Json(nullptr) : Json(modules)},
          {"ensure_weight_tying", tied && info.trained.contains("embed")},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"init_lora_weights", true},
          {"layers_to_transform", nullptr},
          {"rank_pattern", Json::object()},
          {"alpha_pattern", Json::object()}};
}

}  // namespace scca
