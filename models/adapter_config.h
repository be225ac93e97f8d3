#pragma once
// adapter_config.json, PEFT's description of an adapter (LoraConfig).
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/name_pattern.h"
#include "nn/json.h"
#include "nn/lora.h"

namespace scca {

struct AdapterInfo {
  LoraOptions lora;
  std::set<std::string> trained;  // of the base: embed, norm, head
  std::string base_model;         // where the base lies, for the reader of the file
  std::string base_fingerprint =
      {};                           // of the base's weights (models/fingerprint.h); empty where none is known
  std::string base_dtype = "same";  // the base was in (models/base_dtype.h), for a reader of the run alone
};

/// target_modules or exclude_modules: which layers the field names.
struct NamedLayers {
  std::set<std::string> ends;          // of a list: whole names or what follows one of their dots
  std::optional<NamePattern> pattern;  // a text: an expression for whole names
  bool all_linear = false;             // the word "all-linear": any but the head; which, the tensors tell
  bool open = false;                   // not known: PEFT's own choice, or an expression that is not read

  bool names(const std::string& layer) const;
};

/// What the file says of each layer.
struct AdapterConfig {
  AdapterInfo info;
  std::vector<std::string> modules_to_save;  // as written; a name stands for all modules that end with it
  std::string biases = "none";               // bias: which of the base's learn; all, lora_only
  bool ties = false;                         // ensure_weight_tying: a tied embedding and head stay tied

  /// Rank and scale of the layer of this name ("model.layers.0.self_attn.q_proj"), rank_pattern and
  /// alpha_pattern heeded.
  int64_t rank_of(const std::string& layer) const;
  double scale_of(const std::string& layer) const;
  /// True when the file leaves no doubt that this layer has an update.
  bool targets(const std::string& layer) const;
  /// The field by which PEFT leaves this layer without an update, whatever tensors there are; "" for a layer
  /// that is targeted, and where the file does not tell.
  std::string left_out_by(const std::string& layer) const;
  /// True when modules_to_save names the module ("model.embed_tokens", "lm_head").
  bool saves(const std::string& module) const;

  /// A number for the layers that an expression names; the first that names one counts.
  using LayerNumbers = std::vector<std::pair<NamePattern, double>>;
  LayerNumbers rank_pattern, alpha_pattern;
  NamedLayers targeted, excluded;
  std::set<int64_t> layers;  // layers_to_transform; empty: all
};

/// Throws Error, file and field named with what was found and expected, for a setting that would make the
/// adapter another function than W x + s B A x: among them starts that change the base's weights (PiSSA,
/// OLoRA, CorDA, LoftQ), and every field that is not known and says something. Biases that learn are refused
/// where a file holds them (adapter.h).
AdapterConfig read_adapter_config(const std::filesystem::path& folder);
/// The same from parsed JSON; `where` begins every message. `text` is what it was parsed from: the keys of
/// rank_pattern and alpha_pattern are tried in its order, without it in Json's.
AdapterConfig adapter_config_from_json(const Json& json, const std::string& where,
                                       const std::string& text = {});

/// What read_adapter_config reads back, for PEFT too. `tied`: the base's head is its embedding.
Json to_json(const AdapterInfo& info, bool tied);

}  // namespace scca
