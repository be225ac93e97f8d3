#include "models/gguf_model.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/joined.h"
#include "models/files/known_fields.h"
#include "models/gguf_rope.h"
#include "models/tokenizer/gguf_tokenizer.h"

namespace scca {
namespace {

/// Names outside the blocks and inside them, without ".weight" and ".bias".
constexpr std::pair<const char*, const char*> kOutside[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
constexpr std::pair<const char*, const char*> kInBlock[] = {
    {"input_layernorm", "attn_norm"},    {"post_attention_layernorm", "ffn_norm"},
    {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},      {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"}};
constexpr char kBlockOurs[] = "model.layers.", kBlockTheirs[] = "blk.";

/// `name` with its part between the layer's number and the last point translated; "" when there is no word.
template <auto from, auto to>
std::string translated(const std::string& name, const char* block_from, const char* block_to) {
  const size_t end = name.rfind('.');
  if (end == std::string::npos) return "";
  const std::string ending = name.substr(end), stem = name.substr(0, end);
  if (!stem.starts_with(block_from)) {
    for (const auto& pair : kOutside)
      if (stem == pair.*from) return pair.*to + ending;
    return "";
  }
  const std::string rest = stem.substr(std::string_view(block_from).size());
  const size_t digits = rest.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string::npos || rest[digits] != '.') return "";
  for (const auto& pair : kInBlock)
    if (rest.substr(digits + 1) == pair.*from)
      return concat(block_to, rest.substr(0, digits), ".", pair.*to, ending);
  return "";
}

using Name = std::pair<const char*, const char*>;

std::string model_name(const std::string& theirs) {
  const std::string name = translated<&Name::second, &Name::first>(theirs, kBlockTheirs, kBlockOurs);
  return name.empty() ? theirs : name;
}

/// A family (models/family.h) and what llama.cpp calls it. It turns neighbours where the family turns halves
/// in those whose q and k rows its converter interleaves.
struct Architecture {
  const char *name, *model_type;
  bool interleaves;
};
constexpr Architecture kArchitectures[] = {{"llama", "llama", true},
                                           {"llama", "mistral", true},
                                           {"qwen2", "qwen2", false},
                                           {"qwen3", "qwen3", false}};

/// "llama, qwen2, ..."
std::string architecture_names() {
  std::set<std::string> names;
  for (const Architecture& architecture : kArchitectures) names.insert(architecture.name);
  return joined(names, ", ");
}

const Architecture& architecture_of(const LlamaConfig& config) {
  const std::string_view model_type = config.family->model_type;
  const auto found = std::ranges::find(kArchitectures, model_type, &Architecture::model_type);
  SCCA_CHECK(found != std::end(kArchitectures), "gguf: there is no word for the model_type ", model_type);
  return *found;
}

/// A setting of an architecture, ARCHITECTURE.KEY, whose value is the one of config.json's key.
struct SharedKey {
  const char* key;
  const char* ours;
};
constexpr SharedKey kShared[] = {{"context_length", "max_position_embeddings"},
                                 {"embedding_length", "hidden_size"},
                                 {"block_count", "num_hidden_layers"},
                                 {"feed_forward_length", "intermediate_size"},
                                 {"attention.head_count", "num_attention_heads"},
                                 {"attention.head_count_kv", "num_key_value_heads"},
                                 {"attention.key_length", "head_dim"},
                                 {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
                                 {"rope.freq_base", "rope_theta"},
                                 {"vocab_size", "vocab_size"}};
/// Without these there is no model; what else is absent has its default, or is seen in the tensors.
constexpr const char* kNeeded[] = {"context_length",       "embedding_length",
                                   "block_count",          "feed_forward_length",
                                   "attention.head_count", "attention.layer_norm_rms_epsilon"};

/// Of these a file may have a list, a number for each layer.
constexpr std::string_view kOfLayers[] = {"feed_forward_length", "attention.head_count",
                                          "attention.head_count_kv"};

using Use = KnownField::Use;
/// The other settings of an architecture.
const std::vector<KnownField> kOthers = [] {
  std::vector<KnownField> fields{
      {"attention.value_length", Use::read},
      {"rope.dimension_count", Use::read},
      {"rope.scaling.type", Use::read},
      {"rope.scaling.factor", Use::read},
      {"rope.scale_linear", Use::read},  // its first form
      {"rope.scaling.original_context_length", Use::read},
      {"rope.scaling.finetuned", Use::harmless},
      {"rope.scaling.attn_factor", Use::expected, {1.0}, "1: it is not read"},
      {"rope.scaling.yarn_log_multiplier", Use::expected, {0.0}, "0: it is not read"},
      {"expert_count", Use::expected, {0}, "0: mixtures of experts are not implemented"},
      {"expert_used_count", Use::expected, {0}, "0: mixtures of experts are not implemented"},
      {"attention.causal", Use::expected, {true}, "true"},
      {"tensor_data_layout", Use::harmless}};  // of q's and k's rows, which the architecture says
  for (const SharedKey& shared : kShared) fields.push_back({shared.key, Use::read});
  return fields;
}();

/// What f32 holds, as the decimal that was meant: 1e-05, not 9.99999974737875e-06.
Json as_written(const Json& value) {
  if (!value.is_number_float()) return value;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, static_cast<float>(value.get<double>())).ptr;
  double number = 0;
  std::from_chars(text, end, number);
  return number;
}

/// The settings of the architecture, without its name in front. What may be given for each layer is one
/// number where all have the same.
Json own_settings(const GgufFile& file, const std::string& architecture, const std::string& where) {
  Json own = file.settings(architecture + ".");
  for (auto& [key, value] : own.items()) {
    value = as_written(value);
    if (!value.is_array() || std::ranges::find(kOfLayers, key) == std::end(kOfLayers)) continue;
    const bool uniform = Json(value.size()) == own.value("block_count", Json()) &&
                         std::ranges::all_of(value, [&](const Json& one) { return one == value[0]; });
    SCCA_CHECK(uniform && !value.empty(), where, ": ", key, " is ", short_text(value),
               ", expected one number, or the same for each of the ",
               short_text(own.value("block_count", Json())), " layers");
    value = Json(value[0]);
  }
  return own;
}

/// Text of a setting that every file has, "" where this one does not.
std::string text_of(const GgufFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  return found != file.metadata().end() && found->second.value.is_string()
             ? found->second.value.get<std::string>()
             : "";
}

/// A model may be cut into several files, of which the first alone has the settings.
void refuse_part(const GgufFile& file) {
  const Json split = file.settings("split.");
  const int64_t parts = JsonFields(split, file.path().string() + ": split").integer("count").value_or(1);
  SCCA_CHECK(parts <= 1, file.path().string(), ": is one of the ", parts,
             " parts of a model (...-00001-of-0000N.gguf), expected a whole one; join them with llama.cpp's "
             "llama-gguf-split, which merges from the first");
}

/// The first that has the file's name for it.
const Architecture& architecture_of(const GgufFile& file) {
  const std::string name = text_of(file, "general.architecture"), type = text_of(file, "general.type");
  SCCA_CHECK(type.empty() || type == "model", file.path().string(), ": general.type is ",
             short_text(Json(type)), ", expected a model");
  const auto found = std::ranges::find(kArchitectures, name, &Architecture::name);
  SCCA_CHECK(found != std::end(kArchitectures), file.path().string(), ": general.architecture is ",
             short_text(Json(name)), ", expected ", architecture_names());
  return *found;
}

/// The heads and their width, also where the file leaves them open: a family's config.json would mean other
/// numbers by that.
void add_heads(const JsonFields& own, Json& config) {
  const int64_t width = own.integer("embedding_length").value_or(0),
                heads = own.integer("attention.head_count").value_or(0);
  const auto stated = own.integer("attention.key_length");
  SCCA_CHECK(stated || (heads > 0 && width % heads == 0), own.where(), ": embedding_length is ", width,
             ", expected a multiple of attention.head_count, ", heads, " (or an attention.key_length)");
  const int64_t head_dim = stated ? *stated : width / heads;
  for (const char* key : {"attention.value_length", "rope.dimension_count"})
    SCCA_CHECK(own.integer(key).value_or(head_dim) == head_dim, own.where(), ": ", key, " is ",
               own.integer(key).value_or(0), ", expected the width of a head, ", head_dim);
  config["head_dim"] = head_dim;
  config["num_key_value_heads"] = own.integer("attention.head_count_kv").value_or(heads);
}

/// Ids of the tokenizer's settings that the model's config.json names too.
void add_ids(const GgufFile& file, Json& config) {
  const int32_t bos = gguf_token_id(file, "bos_token_id");
  config["bos_token_id"] = bos < 0 ? Json() : Json(bos);
  std::vector<int32_t> ends;
  for (const char* name : kGgufEnds)
    if (const int32_t id = gguf_token_id(file, name); id >= 0 && std::ranges::find(ends, id) == ends.end())
      ends.push_back(id);
  config["eos_token_id"] = ends.empty() ? Json() : Json(ends);
}

/// What is seen in the tensors.
void add_from_tensors(const GgufFile& file, Json& config) {
  const auto& tensors = file.tensors();
  const auto embedding = tensors.find("token_embd.weight");
  SCCA_CHECK(embedding != tensors.end() && embedding->second.shape.size() == 2, file.path().string(),
             ": no tensor \"token_embd.weight\": this file holds no whole model");
  // Some converters leave the vocabulary's size out, and with tokens added behind it some leave it behind.
  config["vocab_size"] = embedding->second.shape[0];
  config["tie_word_embeddings"] = !tensors.contains("output.weight");
  if (config["model_type"] == "llama") {
    config["attention_bias"] = tensors.contains("blk.0.attn_q.bias");
    config["mlp_bias"] = tensors.contains("blk.0.ffn_gate.bias");
  }
  const auto linear = tensors.find("blk.0.attn_q.weight");
  const std::string dtype = linear == tensors.end() ? "F32" : linear->second.dtype;
  // Of numbers in a few bits with f16 scales, f16 keeps the most.
  config["torch_dtype"] = dtype == "F32" ? "float32" : dtype == "BF16" ? "bfloat16" : "float16";
}

}  // namespace

Json gguf_config(const GgufFile& file) {
  refuse_part(file);
  const Architecture& known = architecture_of(file);
  const std::string architecture = known.name, where = file.path().string() + ": " + architecture;
  const Json settings = own_settings(file, architecture, where);
  const JsonFields own(settings, where);
  check_known_fields(own, kOthers);
  for (const char* key : kNeeded) SCCA_CHECK(settings.contains(key), where, ": no ", key);
  Json config{{"model_type", known.model_type}, {"hidden_act", "silu"}};
  for (const SharedKey& shared : kShared)
    if (settings.contains(shared.key)) config[shared.ours] = settings[shared.key];
  add_heads(own, config);
  add_from_tensors(file, config);
  add_ids(file, config);
  const Json scaling =
      gguf_rope_scaling(file, own, own.number("rope.freq_base").value_or(RopeScaling{}.theta));
  if (!scaling.is_null()) config["rope_scaling"] = scaling;
  return config;
}

std::map<std::string, StoredTensor> gguf_tensors(const GgufFile& file) {
  const LlamaConfig config = config_from_json(gguf_config(file), file.path().string());
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [theirs, stored] : file.tensors()) {
    if (theirs == kGgufDivisors) continue;
    const std::string name = model_name(theirs);
    StoredTensor tensor = stored;
    tensor.interleaved = gguf_interleaved(name, config);
    // Its heads are cut from the rows: a row too few would be read beyond them.
    if (tensor.interleaved)
      SCCA_CHECK(!tensor.shape.empty() && tensor.shape[0] % tensor.interleaved == 0, file.path().string(),
                 ": tensor ", short_text(Json(theirs)), " is ", to_string(tensor.shape),
                 ", whose rows are not whole heads of ", tensor.interleaved);
    SCCA_CHECK(tensors.emplace(name, std::move(tensor)).second, file.path().string(), ": tensor ",
               short_text(Json(theirs)), " comes twice, by two names");
  }
  return tensors;
}

std::string gguf_name(const std::string& name) {
  const std::string theirs = translated<&Name::first, &Name::second>(name, kBlockOurs, kBlockTheirs);
  SCCA_CHECK(!theirs.empty(), name, ": GGUF has no word for that tensor");
  return theirs;
}

std::string gguf_architecture(const LlamaConfig& config) { return architecture_of(config).name; }

int64_t gguf_interleaved(const std::string& name, const LlamaConfig& config) {
  const bool turned = name.find(".self_attn.q_proj.") != std::string::npos ||
                      name.find(".self_attn.k_proj.") != std::string::npos;
  return turned && architecture_of(config).interleaves ? config.head_dim : 0;
}

void set_gguf_config(GgufContent& content, const LlamaConfig& config) {
  const Json json = to_json(config);
  const std::string architecture = architecture_of(config).name, prefix = architecture + ".";
  SCCA_CHECK(config.sliding_window == 0, "gguf: the model's attention sees a window of ",
             config.sliding_window, " tokens, which llama.cpp's ", architecture, " does not");
  content.set("general.architecture", architecture);
  content.set("general.type", "model");
  content.set("general.quantization_version", uint32_t{2});
  for (const SharedKey& shared : kShared) {
    const auto found = json.find(shared.ours);
    if (found == json.end() || found->is_null()) continue;
    if (found->is_number_integer() && std::string_view(shared.key) != "rope.freq_base")
      content.set(prefix + shared.key, found->get<uint32_t>());
    else
      content.set(prefix + shared.key, found->get<float>());
  }
  content.set(prefix + "attention.value_length", static_cast<uint32_t>(config.head_dim));
  content.set(prefix + "rope.dimension_count", static_cast<uint32_t>(config.head_dim));
  set_gguf_rope_scaling(content, config, prefix);
}

}  // namespace scca
