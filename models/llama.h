#pragma once
// LLaMA (Touvron et al., arXiv 2302.13971): a decoder of pre-norm blocks with rotary positions, grouped-query
// attention (arXiv 2305.13245) and SwiGLU; and the families that differ from it by a line (models/family.h).
// Shapes: B batch, T tokens, D width, H query heads, G key/value
// heads, K head width, F feed-forward width, V vocabulary.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/base_dtype.h"
#include "models/config.h"
#include "models/files/stored_tensor.h"
#include "nn/linear.h"
#include "nn/patterns/packed_plan.h"
#include "nn/patterns/spec.h"
#include "ops/attention_plan.h"
#include "ops/rope.h"

namespace scca {

/// Keys and values of the tokens seen so far, per layer, for generation (batch 1). Rows [0, length) are
/// filled, by passes over `length` tokens or fewer that all turned by the same angles and in which every
/// token saw what it sees in `plans` (one a layer). length = 0 begins anew.
struct KeyValueCache {
  struct Layer {
    Tensor key_SGK, value_SGK;
  };
  std::vector<Layer> layers = {};
  int64_t length = 0, capacity = 0;
  RopeFrequencies angles = {};
  std::vector<PlanPtr> plans = {};
};

/// What the attention of one layer compares, for who wants to look at it: queries and keys as the kernel gets
/// them (of all tokens, normed and rotated), and who sees whom.
struct AttentionProbe {
  int64_t layer = 0;  // set by who asks; the rest by the pass
  Tensor query_BTHK = {}, key_BSGK = {};
  PlanPtr plan = {};
};

/// Where RoPE puts the tokens, when not at 0, 1, 2, ... of their row.
struct Positions {
  std::vector<int64_t> of_tokens;  // [B x T], one row behind the other; each in 0 .. length - 1
  int64_t length = 0;              // of the text that they are places in: some types' angles depend on it
};

inline constexpr int64_t kAllLayers = INT64_MAX;

/// How many of the first layers run again in backward, and what is kept of these: their inputs, or
/// attention's results too. The first layers, since backward frees what the last ones keep before it comes to
/// these: were it the other way round, the first layer to run again would need its room beside all that the
/// others keep.
struct Checkpointing {
  Checkpointing(int64_t layers = 0, bool keeps_attention = false)
      : layers(layers), keeps_attention(keeps_attention) {}
  int64_t layers;  // kAllLayers: all
  bool keeps_attention;
};

struct ForwardOptions {
  std::optional<AttentionSpec> attention = {};  // empty: the model's own (models/own_attention.h)
  bool training = false;                        // LoRA dropout is on
  Checkpointing checkpointing = {};
  KeyValueCache* cache = nullptr;  // the tokens continue those in the cache, and join them
  // Where documents begin in the rows (nn/patterns/packed_plan.h): no token sees another document's, under
  // any pattern, and none is predicted from one. Positions stay those of the row: RoPE turns by differences,
  // so that a document's own beginning would change nothing. Empty: each row is one text.
  std::optional<DocumentStarts> documents = {};
  // Plans go by places in the row, whatever these say. Not with a cache or documents.
  std::optional<Positions> positions = {};
  AttentionProbe* probe = nullptr;  // filled in; not with checkpointing, which runs layers again later
};

/// What the loss leaves out, among targets.
inline constexpr int32_t kNoTarget = -100;

/// The token that follows each one, i32 [B, T]; kNoTarget for the last of a row and, with `documents`, of a
/// document.
Tensor next_tokens(const Tensor& ids_BT, const std::optional<DocumentStarts>& documents = {});

/// What every block of one forward pass shares.
struct Pass {
  RopeTable rope;
  int64_t first_position = 0;  // of the tokens in x
  bool training = false;
  AttentionProbe* probe = nullptr;  // of this block, where somebody asks
  bool each_its_row = false;        // rope has a row for every token of the batch
};

struct SelfAttention {
  Linear q_proj, k_proj, v_proj, o_proj;
  Tensor q_norm, k_norm;  // [K], of each head (Qwen3); empty: none
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  double eps = 1e-5;  // of these norms

  Tensor operator()(const Tensor& x_BTD, const PlanPtr& plan, const Pass& pass,
                    KeyValueCache::Layer* cache) const;
  /// The norms; the linear layers are visited by the block.
  void for_each_norm(const std::string& name, const ParameterVisitor& visit);

 private:
  Tensor turned(Tensor x_BTHK, const Tensor& norm, const Pass& pass) const;
};

struct Mlp {
  Linear gate_proj, up_proj, down_proj;

  Tensor operator()(const Tensor& x_BTD, const Pass& pass) const;
};

struct LlamaBlock {
  Tensor input_layernorm, post_attention_layernorm;
  SelfAttention self_attn;
  Mlp mlp;
  double eps = 1e-5;

  Tensor operator()(const Tensor& x_BTD, const PlanPtr& plan, const Pass& pass,
                    KeyValueCache::Layer* cache) const;
  void for_each_parameter(const std::string& name, const ParameterVisitor& visit);
  void for_each_linear(const std::function<void(const std::string& name, Linear& linear)>& visit);
};

class Llama {
 public:
  /// Reads a Hugging Face folder (config.json, model.safetensors or its shards) or a GGUF file. `dtype` is
  /// what frozen weights are kept and activations computed in: f32, bf16, or f64 for exact tests; `base` may
  /// keep frozen matrices in few bits. Throws Error naming the file and tensor at fault.
  static Llama load(const std::string& folder, DType dtype = DType::f32, BaseDType base = BaseDType::same);
  /// Random weights: N(0, initializer_range^2), biases 0, norms 1, the projections into the residual stream
  /// 1/sqrt(2 layers) of that (GPT-2's rule). `dtype` as for load; `kept` says what each parameter is kept
  /// in, where that is another.
  static Llama initialised(const LlamaConfig& config, uint64_t seed, DType dtype = DType::f32,
                           const ParameterDTypes& kept = {});

  /// Moves all weights to `device`, where everything is computed from then on. To be called before the
  /// learning weights are chosen. Ids are given in host memory in either case.
  void to(Device device);
  Device device() const { return embed_tokens_VD.device(); }

  /// ids i32 [B, T] -> [B, T, D], after the final norm. Throws Error when an id is beyond the vocabulary, for
  /// a cache that continues() says no of, and for a probe of a layer that is not there or with checkpointing.
  Tensor hidden(const Tensor& ids_BT, const ForwardOptions& options = {}) const;
  /// ids i32 [B, T] -> [B, T, V].
  Tensor logits(const Tensor& ids_BT, const ForwardOptions& options = {}) const;
  /// Final hidden states [..., D] -> [..., V].
  Tensor head_logits(const Tensor& hidden) const;
  /// Mean cross entropy of each next token: T - 1 predictions a row, fewer with documents. The logits of all
  /// tokens never exist together.
  Tensor loss(const Tensor& ids_BT, const ForwardOptions& options = {}) const;
  /// The same of `targets` i32 [B, T], each predicted from the token at its place; kNoTarget: none. Throws
  /// Error when there is none at all.
  Tensor loss_of(const Tensor& ids_BT, const Tensor& targets_BT, const ForwardOptions& options = {}) const;
  /// The same losses one by one, f32 [B, T - 1] in host memory, without gradients.
  Tensor token_losses(const Tensor& ids_BT, const ForwardOptions& options = {}) const;

  /// Whether what the cache holds is what a pass without a cache over `tokens` tokens would compute for its
  /// tokens again. An empty cache is continued by anything; otherwise no where RoPE's angles (dynamic and
  /// longrope beyond the pretrained length) or a plan (AttentionSpec::continues) change on the way: then
  /// every token's hidden state is another, not its key's rotation alone, so that all must be computed again.
  bool continues(const KeyValueCache& cache, int64_t tokens, const AttentionSpec& attention) const;
  /// Room for the keys and values of up to `capacity` tokens.
  KeyValueCache make_cache(int64_t capacity) const;
  /// The pattern given, or the model's own.
  const AttentionSpec& attention_of(const std::optional<AttentionSpec>& given) const {
    return given ? *given : own_attention_;
  }

  /// Visits all parameters under their Hugging Face names. A tied lm_head is the embedding and is not visited
  /// again.
  void for_each_parameter(const ParameterVisitor& visit);
  /// The linear layers of the blocks: "model.layers.0.self_attn.q_proj", ...
  void for_each_linear(const std::function<void(const std::string& name, Linear& linear)>& visit);

  /// Gives every targeted linear layer a LoRA update. Throws as check_lora.
  void add_lora(const LoraOptions& options);
  /// Adds the updates into the weights and removes them.
  void merge_lora();

  /// Which weights of the base learn: "embed", "norm" (those of single heads too), "head", "all", "none". The
  /// rest is frozen, biases but for "all" too, as PEFT's bias = "none" has it; LoRA always learns. Learning
  /// weights are kept in f32. Throws UsageError for an unknown word, or "head" with a tied embedding.
  void set_trainable(const std::set<std::string>& what);

  /// Whether set_trainable(what) lets the parameter of this name learn.
  static bool learns(const std::string& name, const std::set<std::string>& what);
  /// Throws UsageError as set_trainable(what) would for a model of this config.
  static void check_trainable(const std::set<std::string>& what, const LlamaConfig& config);
  /// A block's linear layers as LoRA's targets name them, in the order of for_each_linear: "q_proj", ...
  static std::vector<std::string> linear_names();
  /// Throws UsageError for options without a meaning, and naming a target that no layer has.
  static void check_lora(const LoraOptions& options);
  /// The base's parameters in for_each_parameter's order, without a model that holds them.
  static std::vector<std::pair<std::string, Shape>> parameter_shapes(const LlamaConfig& config);

  /// The output layer's weight: the embedding where the two are tied.
  const Tensor& head() const { return config.tie_word_embeddings ? embed_tokens_VD : lm_head_VD; }
  /// Gives a tied head a weight of its own, with the embedding's values. Learning weights are chosen after
  /// that.
  void untie();

  /// Takes another RoPE scaling, and what the config says of the length.
  void set_rope(const RopeScaling& rope, int64_t max_position_embeddings);

  /// Writes a Hugging Face folder: config.json and model.safetensors, or shards (models/files/shards.h), in
  /// f32, bf16 or f16. LoRA must have been merged.
  void save(const std::string& folder, const StoredFloat& as) const;

  LlamaConfig config;
  Tensor embed_tokens_VD, norm_D;
  Tensor lm_head_VD;  // empty when tied
  std::vector<LlamaBlock> layers;
  DType dtype = DType::f32;

 private:
  using ParameterSource = std::function<Tensor(const std::string& name, const Shape& shape)>;
  Llama(const LlamaConfig& config, DType dtype, const ParameterSource& make);
  RopeFrequencies angles_for(int64_t tokens) const;
  const RopeTable& rope_for(int64_t tokens) const;
  RopeTable rope_at(const Positions& positions, int64_t tokens) const;

  AttentionSpec own_attention_;  // its plans are cached
  mutable RopeTable rope_;
  mutable RopeFrequencies rope_angles_;  // of the table
  mutable int64_t rope_positions_ = 0;
};

}  // namespace scca
