#include "models/llama.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "core/autograd.h"
#include "models/own_attention.h"
#include "nn/patterns/plan_prefix.h"
#include "nn/rope_scaling.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/cast.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/linear_cross_entropy.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace scca {
namespace {

int64_t width(const LlamaConfig& c) { return c.hidden_size; }
int64_t inner_width(const LlamaConfig& c) { return c.intermediate_size; }
int64_t query_width(const LlamaConfig& c) { return c.num_attention_heads * c.head_dim; }
int64_t key_width(const LlamaConfig& c) { return c.num_key_value_heads * c.head_dim; }

template <auto part, auto linear>
Linear& linear_at(LlamaBlock& block) {
  return block.*part.*linear;
}

bool qkv_bias(const LlamaConfig& c) { return c.qkv_bias(); }
bool o_bias(const LlamaConfig& c) { return c.o_bias(); }
bool mlp_bias(const LlamaConfig& c) { return c.mlp_bias; }

/// A block's linear layers, in the order in which they are made and visited: the one place that lists them.
struct BlockLinear {
  const char* name;
  Linear& (*of)(LlamaBlock& block);
  int64_t (*out)(const LlamaConfig& config);
  int64_t (*in)(const LlamaConfig& config);
  bool (*bias)(const LlamaConfig& config);
};
constexpr BlockLinear kBlockLinears[] = {
    {"self_attn.q_proj", linear_at<&LlamaBlock::self_attn, &SelfAttention::q_proj>, query_width, width,
     qkv_bias},
    {"self_attn.k_proj", linear_at<&LlamaBlock::self_attn, &SelfAttention::k_proj>, key_width, width,
     qkv_bias},
    {"self_attn.v_proj", linear_at<&LlamaBlock::self_attn, &SelfAttention::v_proj>, key_width, width,
     qkv_bias},
    {"self_attn.o_proj", linear_at<&LlamaBlock::self_attn, &SelfAttention::o_proj>, width, query_width,
     o_bias},
    {"mlp.gate_proj", linear_at<&LlamaBlock::mlp, &Mlp::gate_proj>, inner_width, width, mlp_bias},
    {"mlp.up_proj", linear_at<&LlamaBlock::mlp, &Mlp::up_proj>, inner_width, width, mlp_bias},
    {"mlp.down_proj", linear_at<&LlamaBlock::mlp, &Mlp::down_proj>, width, inner_width, mlp_bias}};

/// Appends new rows to the cache; returns all rows as [1, S, G, K].
Tensor extended(Tensor& cache_SGK, const Tensor& fresh_BTGK, int64_t length) {
  const int64_t tokens = fresh_BTGK.size(1);
  Tensor place = cache_SGK.rows(length, tokens);
  place.copy_from(fresh_BTGK.reshape(place.shape()));
  return cache_SGK.rows(0, length + tokens)
      .reshape({1, length + tokens, fresh_BTGK.size(2), fresh_BTGK.size(3)});
}

/// Rows of a batch as the plan has them: one by one, or all as one sequence (packed documents).
Tensor as_planned(const Tensor& x_BTHK, const AttentionPlan& plan) {
  const int64_t batch = x_BTHK.size(0), tokens = x_BTHK.size(1);
  if (batch == 1 || plan.tokens != batch * tokens) return x_BTHK;
  return x_BTHK.reshape({1, batch * tokens, x_BTHK.size(2), x_BTHK.size(3)});
}

/// A probe asks for one sequence's layer that is there, and blocks that run once.
void check_probe(const ForwardOptions& options, int64_t layers) {
  if (!options.probe) return;
  SCCA_CHECK(options.probe->layer >= 0 && options.probe->layer < layers, "llama: layer ",
             options.probe->layer, " is asked for, expected one from 0 to ", layers - 1);
  SCCA_CHECK(options.checkpointing.layers == 0,
             "llama: a probe would be written again in backward; leave checkpointing out");
  SCCA_CHECK(!options.documents, "llama: packed documents and a probe do not go together");
}

}  // namespace

Tensor next_tokens(const Tensor& ids_BT, const std::optional<DocumentStarts>& documents) {
  Tensor targets = Tensor::empty(ids_BT.shape(), DType::i32);
  if (!targets.has_values()) return targets;
  const int32_t* ids = ids_BT.data<int32_t>();
  int32_t* next = targets.data<int32_t>();
  const int64_t tokens = ids_BT.size(1);
  for (int64_t i = 0; i < ids_BT.numel(); ++i) next[i] = (i + 1) % tokens ? ids[i + 1] : kNoTarget;
  if (documents)
    for (const int64_t start : *documents)
      if (start > 0) next[start - 1] = kNoTarget;
  return targets;
}

Tensor SelfAttention::operator()(const Tensor& x_BTD, const PlanPtr& plan, const Pass& pass,
                                 KeyValueCache::Layer* cache) const {
  const int64_t batch = x_BTD.size(0), tokens = x_BTD.size(1);
  const auto split = [&](const Tensor& x, int64_t count) {
    return x.reshape({batch, tokens, count, head_dim});
  };
  const Tensor query = turned(split(q_proj(x_BTD, pass.training), heads), q_norm, pass);
  Tensor key = turned(split(k_proj(x_BTD, pass.training), kv_heads), k_norm, pass);
  Tensor value = split(v_proj(x_BTD, pass.training), kv_heads);
  if (cache) {
    key = extended(cache->key_SGK, key, pass.first_position);
    value = extended(cache->value_SGK, value, pass.first_position);
  }
  if (pass.probe) *pass.probe = {pass.probe->layer, query.detach(), key.detach(), plan};
  Tensor mixed = attention(as_planned(query, *plan), as_planned(key, *plan), as_planned(value, *plan), plan);
  return o_proj(std::move(mixed).reshape({batch, tokens, heads * head_dim}), pass.training);
}

Tensor SelfAttention::turned(Tensor x_BTHK, const Tensor& norm, const Pass& pass) const {
  if (norm) x_BTHK = rms_norm(x_BTHK, norm, eps);
  if (!pass.each_its_row) return rope(std::move(x_BTHK), pass.rope, pass.first_position);
  const Shape shape = x_BTHK.shape();
  Tensor one_row = std::move(x_BTHK).reshape({1, shape[0] * shape[1], shape[2], shape[3]});
  return rope(std::move(one_row), pass.rope).reshape(shape);
}

void SelfAttention::for_each_norm(const std::string& name, const ParameterVisitor& visit) {
  if (q_norm) visit(name + ".q_norm.weight", q_norm);
  if (k_norm) visit(name + ".k_norm.weight", k_norm);
}

Tensor Mlp::operator()(const Tensor& x_BTD, const Pass& pass) const {
  return down_proj(swiglu(gate_proj(x_BTD, pass.training), up_proj(x_BTD, pass.training)), pass.training);
}

Tensor LlamaBlock::operator()(const Tensor& x_BTD, const PlanPtr& plan, const Pass& pass,
                              KeyValueCache::Layer* cache) const {
  const Tensor h = add(self_attn(rms_norm(x_BTD, input_layernorm, eps), plan, pass, cache), x_BTD);
  return add(mlp(rms_norm(h, post_attention_layernorm, eps), pass), h);
}

void LlamaBlock::for_each_linear(const std::function<void(const std::string& name, Linear& linear)>& visit) {
  for (const BlockLinear& part : kBlockLinears) visit(part.name, part.of(*this));
}

void LlamaBlock::for_each_parameter(const std::string& name, const ParameterVisitor& visit) {
  visit(name + ".input_layernorm.weight", input_layernorm);
  visit(name + ".post_attention_layernorm.weight", post_attention_layernorm);
  self_attn.for_each_norm(name + ".self_attn", visit);
  for_each_linear(
      [&](const std::string& part, Linear& linear) { linear.for_each_parameter(name + "." + part, visit); });
}

Llama::Llama(const LlamaConfig& config, DType dtype, const ParameterSource& make)
    : config(config), dtype(dtype), own_attention_(own_attention(config)) {
  embed_tokens_VD = make("model.embed_tokens.weight", {config.vocab_size, config.hidden_size});
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string name = concat("model.layers.", i, ".");
    LlamaBlock block;
    block.eps = block.self_attn.eps = config.rms_norm_eps;
    block.input_layernorm = make(name + "input_layernorm.weight", {config.hidden_size});
    block.post_attention_layernorm = make(name + "post_attention_layernorm.weight", {config.hidden_size});
    block.self_attn.heads = config.num_attention_heads;
    block.self_attn.kv_heads = config.num_key_value_heads;
    block.self_attn.head_dim = config.head_dim;
    if (config.family->head_norm) {
      block.self_attn.q_norm = make(name + "self_attn.q_norm.weight", {config.head_dim});
      block.self_attn.k_norm = make(name + "self_attn.k_norm.weight", {config.head_dim});
    }
    for (const BlockLinear& part : kBlockLinears) {
      Linear& linear = part.of(block);
      linear.weight_OI = make(name + part.name + ".weight", {part.out(config), part.in(config)});
      if (part.bias(config)) linear.bias_O = make(name + part.name + ".bias", {part.out(config)});
    }
    layers.push_back(std::move(block));
  }
  norm_D = make("model.norm.weight", {config.hidden_size});
  if (!config.tie_word_embeddings)
    lm_head_VD = make("lm_head.weight", {config.vocab_size, config.hidden_size});
}

RopeFrequencies Llama::angles_for(int64_t tokens) const {
  return inverse_frequencies(config.rope, config.head_dim, tokens);
}

const RopeTable& Llama::rope_for(int64_t tokens) const {
  // Tables grow in powers of two, so that generation does not make a new one for each token. Whether another
  // length turns by other angles is asked of the angles: a list of such types could be wrong.
  RopeFrequencies angles = angles_for(tokens);
  if (angles == rope_angles_ && rope_positions_ >= tokens) return rope_;
  rope_positions_ = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(tokens)));
  rope_angles_ = std::move(angles);
  const RopeTable table = rope_table(rope_angles_.inverse, rope_positions_, rope_angles_.magnitude,
                                     dtype == DType::f64 ? DType::f64 : DType::f32);
  rope_ = {table.cos.to(device()), table.sin.to(device())};
  return rope_;
}

RopeTable Llama::rope_at(const Positions& positions, int64_t tokens) const {
  SCCA_CHECK(std::ssize(positions.of_tokens) == tokens, "llama: positions of ", positions.of_tokens.size(),
             " tokens, expected ", tokens);
  for (const int64_t position : positions.of_tokens)
    SCCA_CHECK(position >= 0 && position < positions.length, "llama: a token at position ", position,
               ", expected 0 to ", positions.length - 1);
  const RopeFrequencies angles = angles_for(positions.length);
  const RopeTable table = rope_table_at(angles.inverse, positions.of_tokens, angles.magnitude,
                                        dtype == DType::f64 ? DType::f64 : DType::f32);
  return {table.cos.to(device()), table.sin.to(device())};
}

bool Llama::continues(const KeyValueCache& cache, int64_t tokens, const AttentionSpec& attention) const {
  if (cache.length == 0) return true;
  if (angles_for(tokens) != cache.angles) return false;
  std::set<std::pair<PlanPtr, PlanPtr>> same;  // layers share plans
  for (size_t i = 0; i < layers.size(); ++i) {
    const PlanPtr plan = attention.plan(tokens, config.num_attention_heads, static_cast<int64_t>(i));
    if (same.insert({plan, cache.plans[i]}).second && !scca::continues(*plan, *cache.plans[i])) return false;
  }
  return true;
}

Tensor Llama::hidden(const Tensor& ids_BT, const ForwardOptions& options) const {
  SCCA_CHECK(ids_BT.rank() == 2 && ids_BT.numel() > 0, "llama: ids are ", to_string(ids_BT.shape()),
             ", expected [batch, tokens] with at least one token");
  KeyValueCache* cache = options.cache;
  const int64_t first = cache ? cache->length : 0, tokens = first + ids_BT.size(1);
  SCCA_CHECK(!cache || (ids_BT.size(0) == 1 && tokens <= cache->capacity), "llama: the cache has room for ",
             cache ? cache->capacity : 0, " tokens of one sequence, ", tokens, " of ", ids_BT.size(0),
             " are asked for");
  const AttentionSpec& attention = attention_of(options.attention);
  SCCA_CHECK(
      !cache || continues(*cache, tokens, attention), "llama: at ", tokens, " tokens the ", first,
      " in the cache turn by other angles or see other keys than when they were computed; begin a new one");
  SCCA_CHECK(!cache || !options.documents, "llama: packed documents and a cache do not go together");
  check_probe(options, std::ssize(layers));
  SCCA_CHECK(!options.positions || (!cache && !options.documents),
             "llama: positions of one's own and a cache or packed documents do not go together");
  const bool placed = options.positions.has_value();
  Pass pass{placed ? rope_at(*options.positions, ids_BT.numel()) : rope_for(tokens), first, options.training};
  pass.each_its_row = placed;
  std::map<PlanPtr, PlanPtr> packed;  // layers share plans
  const auto plan_of = [&](int64_t layer) {
    const PlanPtr plan = attention.plan(tokens, config.num_attention_heads, layer);
    if (!options.documents) return plan;
    PlanPtr& documents = packed[plan];
    if (!documents) documents = packed_plan(plan, ids_BT.size(0), *options.documents);
    return documents;
  };
  if (cache) cache->angles = rope_angles_;
  Tensor x = embedding(ids_BT, embed_tokens_VD, dtype);
  for (size_t i = 0; i < layers.size(); ++i) {
    const PlanPtr plan = plan_of(static_cast<int64_t>(i));
    if (cache) cache->plans[i] = plan;
    pass.probe = options.probe && options.probe->layer == static_cast<int64_t>(i) ? options.probe : nullptr;
    const auto block = [i, &layer = layers[i], plan, pass,
                        past = cache ? &cache->layers[i] : nullptr](const Tensor& in) {
      const Region region("block", static_cast<int64_t>(i));
      return layer(in, plan, pass, past);
    };
    const bool again = static_cast<int64_t>(i) < options.checkpointing.layers;
    x = again ? checkpoint(block, x, options.checkpointing.keeps_attention ? Keep::dear : Keep::input)
              : block(x);
  }
  if (cache) cache->length = tokens;
  return rms_norm(x, norm_D, config.rms_norm_eps);
}

Tensor Llama::logits(const Tensor& ids_BT, const ForwardOptions& options) const {
  return head_logits(hidden(ids_BT, options));
}

Tensor Llama::head_logits(const Tensor& hidden) const { return linear(hidden, as_operand(head(), dtype)); }

Tensor Llama::loss(const Tensor& ids_BT, const ForwardOptions& options) const {
  return loss_of(ids_BT, next_tokens(ids_BT, options.documents), options);
}

Tensor Llama::loss_of(const Tensor& ids_BT, const Tensor& targets_BT, const ForwardOptions& options) const {
  const Tensor x = hidden(ids_BT, options);
  const Region region("the loss");
  return linear_cross_entropy(x, as_operand(head(), dtype), targets_BT.reshape({targets_BT.numel()}),
                              kNoTarget);
}

Tensor Llama::token_losses(const Tensor& ids_BT, const ForwardOptions& options) const {
  NoGrad no_grad;
  const int64_t batch = ids_BT.size(0), tokens = ids_BT.size(1);
  const Tensor targets = next_tokens(ids_BT, options.documents).reshape({ids_BT.numel()});
  const Tensor each =
      scca::token_losses(hidden(ids_BT, options), as_operand(head(), dtype), targets, kNoTarget);
  const Tensor all = cast(each.to(Device::cpu), DType::f32);
  Tensor losses = Tensor::empty({batch, tokens - 1});
  for (int64_t row = 0; row < batch; ++row) {
    std::copy_n(all.data<float>() + row * tokens, tokens - 1, losses.data<float>() + row * (tokens - 1));
  }
  return losses;
}

KeyValueCache Llama::make_cache(int64_t capacity) const {
  KeyValueCache cache{.capacity = capacity, .plans = std::vector<PlanPtr>(layers.size())};
  const Shape shape{capacity, config.num_key_value_heads, config.head_dim};
  for (size_t i = 0; i < layers.size(); ++i)
    cache.layers.push_back({Tensor::empty(shape, dtype, device()), Tensor::empty(shape, dtype, device())});
  return cache;
}

void Llama::set_rope(const RopeScaling& rope, int64_t max_position_embeddings) {
  config.rope = rope;
  config.max_position_embeddings = max_position_embeddings;
  rope_positions_ = 0;  // the table is of the old scaling
}

}  // namespace scca
