#include "models/rope_config.h"

#include <utility>

#include "core/check.h"

namespace scca {
namespace {

constexpr char kOriginal[] = "original_max_position_embeddings";

/// The type that a scaling names. ntk and none are our words, not the format's.
RopeType read_type(const JsonFields& scaling) {
  const auto newer = scaling.text("rope_type"), older = scaling.text("type");
  SCCA_CHECK(!newer || !older || *newer == *older, scaling.where(), ": rope_type is \"", newer.value_or(""),
             "\" but type is \"", older.value_or(""), "\"");
  const auto name = newer ? newer : older;
  SCCA_CHECK(name || !scaling.json().contains("factor"), scaling.where(), ": a factor but no rope_type");
  if (!name || *name == "default") return RopeType::none;
  const auto type = rope_type_of(*name);
  SCCA_CHECK(type && *type != RopeType::none && *type != RopeType::ntk, scaling.where(), ": rope_type is \"",
             *name, "\", expected default, linear, dynamic, yarn, llama3 or longrope");
  return *type;
}

/// One of the two forms' dictionaries. HF: modeling_rope_utils.py.
RopeScaling read_scaling(const JsonFields& config, const JsonFields& scaling,
                         int64_t max_position_embeddings) {
  RopeScaling rope;
  rope.type = read_type(scaling);
  const auto outer = config.number("rope_theta"), inner = scaling.number("rope_theta");
  SCCA_CHECK(!outer || !inner || *outer == *inner, config.where(), ": rope_theta is ", outer.value_or(0),
             " at the top but ", inner.value_or(0), " with the scaling");
  rope.theta = outer ? *outer : inner.value_or(rope.theta);
  rope.original_length = max_position_embeddings;
  for (const JsonFields* fields : {&config, &scaling})
    SCCA_CHECK(fields->number("partial_rotary_factor").value_or(1) == 1, fields->where(),
               ": partial_rotary_factor is ", fields->number("partial_rotary_factor").value_or(1),
               ", expected 1: turning a part of a head is not implemented");
  if (rope.type == RopeType::none) return rope;

  const auto required = [&](const char* key) {
    const auto value = scaling.number(key);
    SCCA_CHECK(value, scaling.where(), ": ", name_of(rope.type), " has no ", key);
    return *value;
  };
  if (rope.type == RopeType::dynamic) {  // whose formula reads max_position_embeddings and nothing else
    rope.factor = required("factor");
    return rope;
  }
  const auto outer_length = config.integer(kOriginal);
  const auto stated_length = outer_length ? outer_length : scaling.integer(kOriginal);
  rope.original_length = stated_length.value_or(max_position_embeddings);
  if (rope.type == RopeType::linear) {
    SCCA_CHECK(rope.original_length > 0, scaling.where(), ": ", kOriginal, " is ", rope.original_length,
               ", expected the tokens of pretraining");
    rope.factor = required("factor");
    rope.original_assumed = !stated_length && rope.factor > 1;
    return rope;
  }
  if (rope.type == RopeType::llama3) {
    rope.factor = required("factor");
    rope.low_freq_factor = required("low_freq_factor");
    rope.high_freq_factor = required("high_freq_factor");
    return rope;
  }
  const double grown =
      static_cast<double>(max_position_embeddings) / static_cast<double>(rope.original_length);
  rope.factor = scaling.number("factor").value_or(grown);
  rope.attention_factor = scaling.number("attention_factor");
  if (rope.type == RopeType::yarn) {
    rope.beta_fast = scaling.number("beta_fast").value_or(rope.beta_fast);
    rope.beta_slow = scaling.number("beta_slow").value_or(rope.beta_slow);
    rope.mscale = scaling.number("mscale");
    rope.mscale_all_dim = scaling.number("mscale_all_dim");
    rope.truncate = scaling.boolean("truncate").value_or(true);
  } else {
    rope.short_factor = scaling.numbers("short_factor");
    rope.long_factor = scaling.numbers("long_factor");
  }
  return rope;
}

/// The keys beside type and theta.
Json scaling_keys(const RopeScaling& rope) {
  Json json = Json::object();
  if (rope.type == RopeType::none) return json;
  json["factor"] = rope.factor;
  if (rope.type == RopeType::linear || rope.type == RopeType::dynamic) return json;
  json[kOriginal] = rope.original_length;
  if (rope.attention_factor) json["attention_factor"] = *rope.attention_factor;
  if (rope.type == RopeType::yarn) {
    json["beta_fast"] = rope.beta_fast;
    json["beta_slow"] = rope.beta_slow;
    if (rope.mscale) json["mscale"] = *rope.mscale;
    if (rope.mscale_all_dim) json["mscale_all_dim"] = *rope.mscale_all_dim;
    if (!rope.truncate) json["truncate"] = false;
  } else if (rope.type == RopeType::llama3) {
    json["low_freq_factor"] = rope.low_freq_factor;
    json["high_freq_factor"] = rope.high_freq_factor;
  } else {
    json["short_factor"] = rope.short_factor;
    json["long_factor"] = rope.long_factor;
  }
  return json;
}

}  // namespace

RopeScaling read_rope(const JsonFields& config, int64_t max_position_embeddings) {
  static const Json nothing = Json::object();
  const Json *older = config.object("rope_scaling"), *newer = config.object("rope_parameters");
  const auto read = [&](const Json* json, const char* key) {
    return read_scaling(config, JsonFields(json ? *json : nothing, config.where() + ": " + key),
                        max_position_embeddings);
  };
  if (!newer) return read(older, "rope_scaling");
  RopeScaling rope = read(newer, "rope_parameters");
  if (!older) return rope;  // null beside the new form says nothing: newer readers write it so
  RopeScaling same = read(older, "rope_scaling");
  if (rope.original_assumed) std::swap(rope, same);  // the other one may state what this leaves open
  if (same.original_assumed) {
    same.original_length = rope.original_length;
    same.original_assumed = rope.original_assumed;
  }
  SCCA_CHECK(same == rope, config.where(), ": rope_scaling is ", short_text(*older),
             " but rope_parameters is ", short_text(*newer), "; expected the same settings");
  return rope;
}

void write_rope(const RopeScaling& rope, int64_t head_dim, Json& config) {
  RopeScaling written = rope;
  if (rope.type == RopeType::ntk) {
    written.type = RopeType::none;
    written.theta = ntk_theta(rope.theta, rope.factor, head_dim);
  }
  const char* type = written.type == RopeType::none ? "default" : name_of(written.type);
  Json older = scaling_keys(written), newer = older;
  newer["rope_type"] = type;
  newer["rope_theta"] = written.theta;
  // The first readers of linear and dynamic take exactly the two keys "type" and "factor"; the other types
  // came together with "rope_type".
  const bool first = written.type == RopeType::linear || written.type == RopeType::dynamic;
  older[first ? "type" : "rope_type"] = type;
  config["rope_theta"] = written.theta;
  config["rope_scaling"] = written.type == RopeType::none ? Json() : older;
  config["rope_parameters"] = newer;
  config.erase(kOriginal);  // it stands with the scaling now
  // transformers up to 4.57 looks for longrope's nowhere else, and would take the short list at every length;
  // linear's form has no place for it.
  if (written.type == RopeType::longrope || (written.type == RopeType::linear && !written.original_assumed))
    config[kOriginal] = written.original_length;
  config.erase("partial_rotary_factor");  // 1
}

}  // namespace scca
