#include "models/config.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/check.h"
#include "core/file.h"
#include "models/files/known_fields.h"
#include "models/files/model_folder.h"
#include "models/gguf_model.h"
#include "models/own_attention.h"
#include "models/rope_config.h"
#include "nn/patterns/bounds.h"
#include "nn/rope_types.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

/// What a config.json says that says nothing.
LlamaConfig defaults_of(const Family& family) {
  LlamaConfig c;
  c.family = &family;
  c.vocab_size = family.vocab_size;
  c.intermediate_size = family.intermediate_size;
  c.max_position_embeddings = family.max_position_embeddings;
  c.bos_token_id = family.bos_token_id;
  c.eos_token_ids.clear();
  if (family.eos_token_id >= 0) c.eos_token_ids.push_back(family.eos_token_id);
  return c;
}

void read_heads(const JsonFields& fields, LlamaConfig& c) {
  const Family& family = *c.family;
  c.num_attention_heads = fields.integer("num_attention_heads").value_or(c.num_attention_heads);
  c.num_key_value_heads = fields.integer("num_key_value_heads").value_or(c.num_attention_heads);
  if (!fields.json().contains("num_key_value_heads") && family.num_key_value_heads > 0)
    c.num_key_value_heads = family.num_key_value_heads;
  const int64_t head_dim = fields.integer("head_dim").value_or(family.head_dim);
  if (head_dim == 0 && !fields.integer("head_dim")) {
    SCCA_CHECK(c.num_attention_heads > 0 && c.hidden_size % c.num_attention_heads == 0, fields.where(),
               ": hidden_size is ", c.hidden_size, ", expected a multiple of num_attention_heads, ",
               c.num_attention_heads, " (or a head_dim)");
    c.head_dim = c.hidden_size / c.num_attention_heads;
  } else {
    c.head_dim = head_dim;
  }
}

int64_t whole_number(const JsonFields& fields, const char* key, const Json& value) {
  SCCA_CHECK(value.is_number_integer(), fields.where(), ": ", key, " is ", short_text(value),
             ", expected a token id");
  return value.get<int64_t>();
}

int64_t token_id(const JsonFields& fields, const char* key, const Json& value) {
  const int64_t id = whole_number(fields, key, value);
  SCCA_CHECK(id >= 0, fields.where(), ": ", key, " is ", short_text(value), ", expected a token id");
  return id;
}

/// eos_token_id: one id, a list, or null for none.
template <class Read>
std::vector<int64_t> eos_ids(const JsonFields& fields, const Read& read) {
  const Json eos = fields.json().value("eos_token_id", Json());
  std::vector<int64_t> ids;
  if (eos.is_array())
    for (const Json& id : eos) ids.push_back(read(fields, "eos_token_id", id));
  else if (!eos.is_null())
    ids.push_back(read(fields, "eos_token_id", eos));
  return ids;
}

void read_token_ids(const JsonFields& fields, LlamaConfig& config) {
  const Json& json = fields.json();
  if (json.contains("bos_token_id"))
    config.bos_token_id =
        json["bos_token_id"].is_null() ? -1 : token_id(fields, "bos_token_id", json["bos_token_id"]);
  if (json.contains("eos_token_id")) config.eos_token_ids = eos_ids(fields, token_id);
}

/// The ids that end a text as generation_config.json names them; those that the model has no row for, -1
/// among them, never come.
std::vector<int64_t> generation_eos(const fs::path& file, int64_t vocab_size) {
  if (!fs::exists(file)) return {};
  const Json json = parse_json(read_text_file(file), file.string());
  SCCA_CHECK(json.is_object(), file.string(), ": ", short_text(json), ", expected a JSON object");
  std::vector<int64_t> ids = eos_ids(JsonFields(json, file.string()), whole_number);
  std::erase_if(ids, [&](int64_t id) { return id < 0 || id >= vocab_size; });
  return ids;
}

/// What max_position_embeddings says of a model whose positions are made for `context` tokens.
int64_t length_in_file(const RopeScaling& rope, int64_t context) {
  switch (row_of(rope.type).length) {
    case RopeRow::Length::original:
      return rope.original_length;
    case RopeRow::Length::product: {
      const double length = static_cast<double>(rope.original_length) * rope.factor;
      return std::llround(std::min(length, 1e15));  // check_config refuses the rest
    }
    case RopeRow::Length::context:
      break;
  }
  return context;
}

constexpr double kMostParameters = 281474976710656.0;  // 2^48: bytes of all that is made of them fit 64 bits

/// In floating point, which no size overflows.
double parameters_of(const LlamaConfig& c) {
  const auto width = static_cast<double>(c.hidden_size), head = static_cast<double>(c.head_dim);
  const double heads = static_cast<double>(c.num_attention_heads + c.num_key_value_heads) * head;
  const double layer = 2 * width * heads + 3 * width * static_cast<double>(c.intermediate_size) + 2 * width;
  return 2 * static_cast<double>(c.vocab_size) * width + static_cast<double>(c.num_hidden_layers) * layer +
         width;
}

}  // namespace

void check_config(const LlamaConfig& c, const std::string& where) {
  const auto positive = [&](const char* key, int64_t value) {
    // The bound keeps every product of two sizes within 64 bits.
    SCCA_CHECK(value > 0 && value <= INT32_MAX, where, ": ", key, " is ", value, ", expected 1 to ",
               INT32_MAX);
  };
  positive("vocab_size", c.vocab_size);
  positive("hidden_size", c.hidden_size);
  positive("intermediate_size", c.intermediate_size);
  positive("num_hidden_layers", c.num_hidden_layers);
  positive("num_attention_heads", c.num_attention_heads);
  positive("num_key_value_heads", c.num_key_value_heads);
  positive("head_dim", c.head_dim);
  positive("max_position_embeddings", c.max_position_embeddings);
  SCCA_CHECK(c.num_hidden_layers <= kMostLayers, where, ": num_hidden_layers is ", c.num_hidden_layers,
             ", expected at most ", kMostLayers);
  SCCA_CHECK(parameters_of(c) <= kMostParameters, where, ": the sizes make a model of ", parameters_of(c),
             " parameters, expected at most ", kMostParameters, "; is one of them mistyped?");
  SCCA_CHECK(c.num_attention_heads % c.num_key_value_heads == 0, where, ": num_attention_heads is ",
             c.num_attention_heads, ", expected a multiple of num_key_value_heads, ", c.num_key_value_heads);
  SCCA_CHECK(c.head_dim % 2 == 0, where, ": head_dim is ", c.head_dim,
             ", expected an even number: RoPE turns its components in pairs");
  SCCA_CHECK(std::isfinite(c.rms_norm_eps) && c.rms_norm_eps >= 0, where, ": rms_norm_eps is ",
             c.rms_norm_eps, ", expected a number from 0 up");
  SCCA_CHECK(c.bos_token_id < c.vocab_size, where, ": bos_token_id is ", c.bos_token_id,
             ", beyond the vocabulary of ", c.vocab_size);
  for (int64_t id : c.eos_token_ids)
    SCCA_CHECK(id >= 0 && id < c.vocab_size, where, ": eos_token_id is ", id, ", beyond the vocabulary of ",
               c.vocab_size);
  SCCA_CHECK(c.family->attention_bias || !c.attention_bias, where,
             ": attention_bias is true, expected false in a ", c.family->model_type);
  SCCA_CHECK(c.family->mlp_bias || !c.mlp_bias, where, ": mlp_bias is true, expected false in a ",
             c.family->model_type);
  check_own_attention(c, where);
  try {
    check_rope_scaling(c.rope, c.head_dim);
  } catch (const Error& error) {
    fail(where, ": ", error.what());
  }
}

LlamaConfig config_from_json(const Json& json, const std::string& where) {
  SCCA_CHECK(json.is_object(), where, ": ", short_text(json), ", expected a JSON object");
  const JsonFields fields(json, where);
  const Family& family = family_of(fields);  // first: what follows would be another model's
  check_known_fields(fields, known_fields(family));
  LlamaConfig c = defaults_of(family);
  const auto size = [&](const char* key, int64_t& value) { value = fields.integer(key).value_or(value); };
  size("vocab_size", c.vocab_size);
  size("hidden_size", c.hidden_size);
  size("intermediate_size", c.intermediate_size);
  size("num_hidden_layers", c.num_hidden_layers);
  size("max_position_embeddings", c.max_position_embeddings);
  read_heads(fields, c);
  c.rms_norm_eps = fields.number("rms_norm_eps").value_or(c.rms_norm_eps);
  c.initializer_range = fields.number("initializer_range").value_or(c.initializer_range);
  c.tie_word_embeddings = fields.boolean("tie_word_embeddings").value_or(c.tie_word_embeddings);
  c.attention_bias = fields.boolean("attention_bias").value_or(false) && family.attention_bias;
  c.mlp_bias = fields.boolean("mlp_bias").value_or(false) && family.mlp_bias;
  read_own_attention(fields, c);
  for (const char* key : {"torch_dtype", "dtype"}) c.torch_dtype = fields.text(key).value_or(c.torch_dtype);
  read_token_ids(fields, c);
  c.rope = read_rope(fields, c.max_position_embeddings);
  c.raw = json;
  check_config(c, where);
  return c;
}

LlamaConfig read_config(const fs::path& folder_or_file) {
  const bool folder = fs::is_directory(folder_or_file);
  const fs::path file = folder ? folder_or_file / "config.json" : folder_or_file;
  if (is_gguf(file)) return config_from_json(gguf_config(GgufFile(file)), file.string());
  if (!fs::exists(file) || is_weights_file(file) || is_run_folder(folder_or_file))
    fail(why_no_model(folder_or_file, "config.json"));
  LlamaConfig config = config_from_json(parse_json(read_text_file(file), file.string()), file.string());
  if (folder)
    config.generation_eos_ids = generation_eos(folder_or_file / "generation_config.json", config.vocab_size);
  return config;
}

Json to_json(const LlamaConfig& c) {
  check_config(c, "config");
  Json json = c.raw.is_object() ? c.raw : Json::object();
  json["architectures"] = {c.family->architecture};
  json["model_type"] = c.family->model_type;
  json["vocab_size"] = c.vocab_size;
  json["hidden_size"] = c.hidden_size;
  json["intermediate_size"] = c.intermediate_size;
  json["num_hidden_layers"] = c.num_hidden_layers;
  json["num_attention_heads"] = c.num_attention_heads;
  json["num_key_value_heads"] = c.num_key_value_heads;
  json["head_dim"] = c.head_dim;
  json["hidden_act"] = "silu";
  json["max_position_embeddings"] = c.max_position_embeddings;
  json["rms_norm_eps"] = c.rms_norm_eps;
  json["initializer_range"] = c.initializer_range;
  json["tie_word_embeddings"] = c.tie_word_embeddings;
  for (const auto& [key, value] : {std::pair{"attention_bias", c.attention_bias}, {"mlp_bias", c.mlp_bias}})
    if (value != (json.value(key, Json()) == true)) json[key] = value;
  write_own_attention(c, json);
  json["torch_dtype"] = c.torch_dtype;
  json.erase("dtype");  // the newer name of torch_dtype; newer readers take both
  json["bos_token_id"] = c.bos_token_id < 0 ? Json() : Json(c.bos_token_id);
  json["eos_token_id"] = c.eos_token_ids.empty()       ? Json()
                         : c.eos_token_ids.size() == 1 ? Json(c.eos_token_ids[0])
                                                       : Json(c.eos_token_ids);
  write_rope(c.rope, c.head_dim, json);
  return json;
}

Json computed_with(LlamaConfig config) {
  config.raw = Json::object();
  Json json = to_json(config);
  json.erase("torch_dtype");
  return json;
}

void write_config(const fs::path& folder, const LlamaConfig& config) {
  write_file(folder / "config.json", to_json(config).dump(2) + "\n");
}

LlamaConfig with_rope(const LlamaConfig& base, RopeScaling rope, int64_t context) {
  LlamaConfig config = base;
  rope.theta = base.rope.theta;
  rope.original_length = base.rope.original_length;
  rope.original_assumed = base.rope.original_assumed && row_of(rope.type).original == RopeRow::Original::top;
  config.max_position_embeddings = length_in_file(rope, context);
  config.rope = std::move(rope);
  check_config(config, "config");
  return config;
}

}  // namespace scca
