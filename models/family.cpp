#include "models/family.h"

#include <algorithm>

#include "core/check.h"

namespace scca {
namespace {

using Use = KnownField::Use;

const Family kFamilies[] = {{.model_type = "llama",
                             .architecture = "LlamaForCausalLM",
                             .vocab_size = 32000,
                             .intermediate_size = 11008,
                             .num_key_value_heads = 0,
                             .head_dim = 0,
                             .max_position_embeddings = 2048,
                             .bos_token_id = 1,
                             .eos_token_id = 2,
                             .attention_bias = true,
                             .mlp_bias = true},
                            {.model_type = "mistral",
                             .architecture = "MistralForCausalLM",
                             .vocab_size = 32000,
                             .intermediate_size = 14336,
                             .num_key_value_heads = 8,
                             .head_dim = 0,
                             .max_position_embeddings = 131072,
                             .bos_token_id = 1,
                             .eos_token_id = 2,
                             .windows = Windows::all_layers},
                            {.model_type = "qwen2",
                             .architecture = "Qwen2ForCausalLM",
                             .vocab_size = 151936,
                             .intermediate_size = 22016,
                             .num_key_value_heads = 32,
                             .head_dim = 0,
                             .max_position_embeddings = 32768,
                             .bos_token_id = -1,
                             .eos_token_id = -1,
                             .qkv_bias = true,
                             .windows = Windows::some_layers},
                            {.model_type = "qwen3",
                             .architecture = "Qwen3ForCausalLM",
                             .vocab_size = 151936,
                             .intermediate_size = 22016,
                             .num_key_value_heads = 32,
                             .head_dim = 128,
                             .max_position_embeddings = 32768,
                             .bos_token_id = -1,
                             .eos_token_id = -1,
                             .attention_bias = true,
                             .head_norm = true,
                             .windows = Windows::some_layers}};

/// config.json as transformers (4.31 to 5.24) writes one of every family: the fields of their configurations,
/// those that every model has, and what converters leave behind.
const std::vector<KnownField> kFields = {
    {"model_type", Use::read},
    {"architectures", Use::read},
    {"vocab_size", Use::read},
    {"hidden_size", Use::read},
    {"intermediate_size", Use::read},
    {"num_hidden_layers", Use::read},
    {"num_attention_heads", Use::read},
    {"num_key_value_heads", Use::read},
    {"head_dim", Use::read},
    {"max_position_embeddings", Use::read},
    {"rms_norm_eps", Use::read},
    {"initializer_range", Use::read},
    {"tie_word_embeddings", Use::read},
    {"torch_dtype", Use::read},
    {"dtype", Use::read},
    {"bos_token_id", Use::read},
    {"eos_token_id", Use::read},
    {"rope_theta", Use::read},
    {"rope_scaling", Use::read},
    {"rope_parameters", Use::read},
    {"layer_types", Use::read},
    {"partial_rotary_factor", Use::read},
    {"original_max_position_embeddings", Use::read},

    {"hidden_act", Use::expected, {"silu", "swish"}, "\"silu\""},
    {"attention_dropout", Use::expected, {0}, "0: dropout of attention weights is not implemented"},
    {"quantization_config", Use::expected, {}, "none: quantised weights are not read"},

    // How a model is called, stored or sampled from.
    {"transformers_version", Use::harmless},
    {"name_or_path", Use::harmless},
    {"auto_map",
     Use::harmless},  // code of the folder's own; transformers takes its own unless told otherwise
    {"attn_implementation", Use::harmless},
    {"use_cache", Use::harmless},
    {"use_bfloat16", Use::harmless},
    {"return_dict", Use::harmless},
    {"output_attentions", Use::harmless},
    {"output_hidden_states", Use::harmless},
    {"torchscript", Use::harmless},
    {"is_decoder", Use::harmless},
    {"pretraining_tp", Use::harmless},           // the same product in slices
    {"chunk_size_feed_forward", Use::harmless},  // no effect in a LLaMA
    {"pad_token_id", Use::harmless},
    {"sep_token_id", Use::harmless},
    {"decoder_start_token_id", Use::harmless},
    {"tokenizer_class", Use::harmless},
    {"model_max_length", Use::harmless},
    {"max_sequence_length",
     Use::harmless},  // of the first conversions; max_position_embeddings is what counts
    {"task_specific_params", Use::harmless},
    {"finetuning_task", Use::harmless},
    {"problem_type", Use::harmless},
    {"num_labels", Use::harmless},
    {"id2label", Use::harmless},
    {"label2id", Use::harmless},
    {"is_llama_config", Use::harmless},
    {"unsloth_version", Use::harmless},
    {"unsloth_fixed", Use::harmless},
    {"transformers.js_config", Use::harmless},  // which file a browser takes
    {"max_length", Use::harmless},
    {"min_length", Use::harmless},
    {"do_sample", Use::harmless},
    {"early_stopping", Use::harmless},
    {"num_beams", Use::harmless},
    {"num_beam_groups", Use::harmless},
    {"num_return_sequences", Use::harmless},
    {"diversity_penalty", Use::harmless},
    {"temperature", Use::harmless},
    {"top_k", Use::harmless},
    {"top_p", Use::harmless},
    {"typical_p", Use::harmless},
    {"repetition_penalty", Use::harmless},
    {"length_penalty", Use::harmless},
    {"no_repeat_ngram_size", Use::harmless},
    {"encoder_no_repeat_ngram_size", Use::harmless},
    // Dropout of other models' code, which a LLaMA's never reads.
    {"resid_pdrop", Use::harmless},
    {"attn_pdrop", Use::harmless},
    {"embd_pdrop", Use::harmless},
};

KnownField bias_key(const char* name, bool known) {
  if (known) return {name, Use::read};
  return {name, Use::expected, {false}, "false: in this family no key gives these layers biases"};
}

/// "\"llama\", \"mistral\" or \"qwen2\"", of one of the two names of each row.
std::string all_names(const char* Family::*name) {
  std::string names;
  for (const Family& family : kFamilies) {
    const bool last = &family == std::end(kFamilies) - 1;
    names += concat(names.empty() ? "" : last ? " or " : ", ", '"', family.*name, '"');
  }
  return names;
}

/// The row that `value` names.
const Family& row_named(const JsonFields& config, const char* key, const Json& value,
                        const char* Family::*name) {
  const auto row = std::ranges::find_if(kFamilies, [&](const Family& f) { return value == f.*name; });
  if (row != std::end(kFamilies)) return *row;
  fail(config.where(), ": ", key, " is ", short_text(config.json()[key]), ", expected ", all_names(name));
}

}  // namespace

std::span<const Family> families() { return kFamilies; }
const Family& llama_family() { return kFamilies[0]; }

const Family& family_of(const JsonFields& config) {
  const Json type = config.json().value("model_type", Json()),
             architectures = config.json().value("architectures", Json());
  SCCA_CHECK(!type.is_null() || !architectures.is_null(), config.where(), ": no model_type, expected ",
             all_names(&Family::model_type));
  const Json one = architectures.is_array() && architectures.size() == 1 ? architectures[0] : Json();
  if (type.is_null()) return row_named(config, "architectures", one, &Family::architecture);
  const Family& family = row_named(config, "model_type", type, &Family::model_type);
  SCCA_CHECK(architectures.is_null() || one == family.architecture, config.where(), ": architectures is ",
             short_text(architectures), ", expected [\"", family.architecture, "\"]");
  return family;
}

std::vector<KnownField> known_fields(const Family& family) {
  std::vector<KnownField> fields = kFields;
  fields.push_back(bias_key("attention_bias", family.attention_bias));
  fields.push_back(bias_key("mlp_bias", family.mlp_bias));
  if (family.windows != Windows::none) fields.push_back({"sliding_window", Use::read});
  if (family.windows == Windows::some_layers)
    for (const char* name : {"use_sliding_window", "max_window_layers"}) fields.push_back({name, Use::read});
  return fields;
}

}  // namespace scca
