#pragma once
// A model's shape, from and to a Hugging Face config.json.
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "models/family.h"
#include "nn/json.h"
#include "nn/rope_scaling.h"

namespace scca {

/// Keys and meanings are those of transformers. What is here is what its LlamaConfig takes where a key is
/// absent; a file of another family is read with that family's.
struct LlamaConfig {
  const Family* family = &llama_family();
  int64_t vocab_size = 32000;
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 11008;
  int64_t num_hidden_layers = 32;
  int64_t num_attention_heads = 32;
  int64_t num_key_value_heads = 32;  // where absent: num_attention_heads
  int64_t head_dim = 128;            // where absent: hidden_size / num_attention_heads
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;  // standard deviation of fresh weights
  bool tie_word_embeddings = false;
  bool attention_bias = false;               // biases of q, k, v and o, in a family with that key
  bool mlp_bias = false;                     // of gate, up and down
  int64_t sliding_window = 0;                // tokens that a query sees, itself among them; 0: all before it
  std::set<int64_t> full_layers = {};        // beside a sliding window: the layers without it
  int64_t bos_token_id = 1;                  // -1: none
  std::vector<int64_t> eos_token_ids = {2};  // empty: none
  std::vector<int64_t> generation_eos_ids = {};  // of generation_config.json beside it; empty: it names none
  RopeScaling rope;                              // its original_length is always set
  std::string torch_dtype = "float32";  // what the weights are stored as: float32, bfloat16, float16, float64

  /// The file as it was read, {} for a config made in code: keys that mean nothing here survive a rewrite.
  Json raw = Json::object();

  /// Whether q, k and v have biases, or o has one.
  bool qkv_bias() const { return family->qkv_bias || attention_bias; }
  bool o_bias() const { return attention_bias; }

  /// The token that ends a document; -1: none.
  int64_t eos_token_id() const { return eos_token_ids.empty() ? -1 : eos_token_ids[0]; }
  /// The tokens that end a generated text: generation_config.json's where it names any, as transformers has
  /// it.
  const std::vector<int64_t>& end_ids() const {
    return generation_eos_ids.empty() ? eos_token_ids : generation_eos_ids;
  }
};

/// From config.json in this folder, from a file given by its own path, or from a GGUF file's settings. RoPE is read in the older form
/// (rope_theta, rope_scaling with rope_type or type) and in the newer (rope_parameters); a file with both
/// must say the same twice. Throws Error, file and key named with what was found and expected, for a value of
/// the wrong kind, a size that is not positive or does not divide, a family that is not in the table
/// (models/family.h), every setting that would change the computation into one that is not implemented
/// (another activation, quantised weights, ...), and every key that is not known and says something. Where
/// there is no config.json, says what the folder seems to be.
LlamaConfig read_config(const std::filesystem::path& folder_or_file);
/// The same from parsed JSON; `where` begins every message.
LlamaConfig config_from_json(const Json& json, const std::string& where);

/// `raw` with the known keys of the family set. RoPE in both forms, so that old and new readers take it; ntk,
/// which no reader knows by name, as the rope_theta that equals it. Throws Error when the settings contradict
/// each other.
Json to_json(const LlamaConfig& config);
/// What the model computes with: to_json without the fields of its config.json that change no number.
Json computed_with(LlamaConfig config);
/// to_json as config.json in this folder, written whole or not at all.
void write_config(const std::filesystem::path& folder, const LlamaConfig& config);

/// The config of a model that is run or trained with other RoPE at `context` tokens: the type and its
/// settings from `rope`, theta and the pretraining's length from `base` (`rope`'s are not read).
/// max_position_embeddings: none, linear and dynamic say the pretraining's length, from which readers scale;
/// ntk and llama3 say `context`; yarn and longrope that length times the factor (which is `context` where the
/// factor was chosen for it), since readers take the factor from either. Throws Error for settings without a
/// meaning.
LlamaConfig with_rope(const LlamaConfig& base, RopeScaling rope, int64_t context);

/// Throws Error beginning with `where` when the settings contradict each other.
void check_config(const LlamaConfig& config, const std::string& where);

}  // namespace scca
