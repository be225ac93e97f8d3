#include "models/rope_config.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/check.h"
#include "core/overloaded.h"
#include "models/files/known_fields.h"
#include "nn/rope_types.h"

namespace scca {
namespace {

constexpr char kOriginal[] = "original_max_position_embeddings";

/// "default, linear, ... or longrope"
std::string types_in_files() {
  std::string names;
  const RopeRow* last = nullptr;
  for (const RopeRow& row : rope_rows()) {
    if (!row.in_file) continue;
    if (last) names += (names.empty() ? "" : ", ") + std::string(last->in_file);
    last = &row;
  }
  return names + " or " + last->in_file;
}

/// The keys of every type. A type's own are in its row.
const std::vector<KnownField> kFields = [] {
  using Use = KnownField::Use;
  std::vector<KnownField> fields = {
      {"rope_type", Use::read},
      {"type", Use::read},
      {"rope_theta", Use::read},
      {"factor", Use::read},
      {kOriginal, Use::read},
      {"partial_rotary_factor", Use::read},
      {"finetuned", Use::harmless},  // whether the model was trained at that length
      // Of images; of a text's tokens the three positions are one.
      {"mrope_section", Use::harmless},
      {"mrope_interleaved", Use::harmless},
  };
  for (const char* kind : {"full_attention", "sliding_attention", "chunked_attention"})
    fields.push_back({kind,
                      Use::expected,
                      {},
                      "none: settings of one kind of layers are not read. Where all "
                      "have the same, write them in its place"});
  return fields;
}();

void check_known_scaling_fields(const JsonFields& scaling, const RopeRow& row) {
  std::vector<KnownField> fields = kFields;
  for (const RopeField& field : row.fields) fields.push_back({field.key, KnownField::Use::read});
  check_known_fields(scaling, fields);
}

/// The type that a scaling names.
const RopeRow& read_type(const JsonFields& scaling) {
  const auto newer = scaling.text("rope_type"), older = scaling.text("type");
  SCCA_CHECK(!newer || !older || *newer == *older, scaling.where(), ": rope_type is \"", newer.value_or(""),
             "\" but type is \"", older.value_or(""), "\"");
  const auto name = newer ? newer : older;
  SCCA_CHECK(name || !scaling.json().contains("factor"), scaling.where(), ": a factor but no rope_type");
  if (!name) return row_of(RopeType::none);
  for (const RopeRow& row : rope_rows())
    if (row.in_file && *name == row.in_file) return row;
  fail(scaling.where(), ": rope_type is \"", *name, "\", expected ", types_in_files());
}

void read_original(const JsonFields& config, const JsonFields& scaling, const RopeRow& row,
                   RopeScaling& rope) {
  if (row.original == RopeRow::Original::max_position_embeddings) return;
  const auto outer = config.integer(kOriginal), stated = outer ? outer : scaling.integer(kOriginal);
  if (stated) rope.original_length = *stated;
  if (row.original != RopeRow::Original::top) return;
  // No formula reads it, so that no other check would refuse it.
  SCCA_CHECK(rope.original_length > 0, scaling.where(), ": ", kOriginal, " is ", rope.original_length,
             ", expected the tokens of pretraining");
  rope.original_assumed = !stated;
}

void need(const JsonFields& scaling, const RopeRow& row, const char* key) {
  SCCA_CHECK(!scaling.json().value(key, Json()).is_null(), scaling.where(), ": ", row.name, " has no ", key);
}

void read_field(const JsonFields& scaling, const RopeRow& row, const RopeField& field, RopeScaling& rope) {
  const char* key = field.key;
  if (field.required) need(scaling, row, key);
  std::visit(
      Overloaded{
          [&](double RopeScaling::*member) { rope.*member = scaling.number(key).value_or(rope.*member); },
          [&](std::optional<double> RopeScaling::*member) { rope.*member = scaling.number(key); },
          [&](bool RopeScaling::*member) { rope.*member = scaling.boolean(key).value_or(rope.*member); },
          [&](std::vector<double> RopeScaling::*member) { rope.*member = scaling.numbers(key); }},
      field.member);
}

/// A switch in its usual position is left out: its first readers did not know it.
void write_field(const RopeField& field, const RopeScaling& rope, Json& scaling) {
  const char* key = field.key;
  std::visit(Overloaded{[&](std::optional<double> RopeScaling::*member) {
                          if (rope.*member) scaling[key] = *(rope.*member);
                        },
                        [&](bool RopeScaling::*member) {
                          if (rope.*member != RopeScaling{}.*member) scaling[key] = rope.*member;
                        },
                        [&](auto RopeScaling::*member) { scaling[key] = rope.*member; }},
             field.member);
}

/// One of the two forms' dictionaries. HF: modeling_rope_utils.py.
RopeScaling read_scaling(const JsonFields& config, const JsonFields& scaling,
                         int64_t max_position_embeddings) {
  const RopeRow& row = read_type(scaling);
  check_known_scaling_fields(scaling, row);
  RopeScaling rope;
  rope.type = row.type;
  const auto outer = config.number("rope_theta"), inner = scaling.number("rope_theta");
  SCCA_CHECK(!outer || !inner || *outer == *inner, config.where(), ": rope_theta is ", outer.value_or(0),
             " at the top but ", inner.value_or(0), " with the scaling");
  rope.theta = outer ? *outer : inner.value_or(rope.theta);
  rope.original_length = max_position_embeddings;
  for (const JsonFields* fields : {&config, &scaling})
    SCCA_CHECK(fields->number("partial_rotary_factor").value_or(1) == 1, fields->where(),
               ": partial_rotary_factor is ", fields->number("partial_rotary_factor").value_or(1),
               ", expected 1: turning a part of a head is not implemented");
  read_original(config, scaling, row, rope);
  const double derived =
      static_cast<double>(max_position_embeddings) / static_cast<double>(rope.original_length);
  if (row.factor == RopeRow::Factor::required) need(scaling, row, "factor");
  if (row.has_factor()) rope.factor = scaling.number("factor").value_or(derived);
  rope.original_assumed &= rope.factor > 1;
  for (const RopeField& field : row.fields) read_field(scaling, row, field, rope);
  return rope;
}

/// The keys beside type and theta.
Json scaling_keys(const RopeScaling& rope, const RopeRow& row) {
  Json json = Json::object();
  if (row.has_factor()) json["factor"] = rope.factor;
  if (row.original_with_scaling()) json[kOriginal] = rope.original_length;
  for (const RopeField& field : row.fields) write_field(field, rope, json);
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
  const RopeRow* row = &row_of(rope.type);
  double theta = rope.theta;
  if (!row->in_file) {
    theta = row->plain_theta(rope, head_dim);
    row = &row_of(RopeType::none);
  }
  Json older = scaling_keys(rope, *row), newer = older;
  newer["rope_type"] = row->in_file;
  newer["rope_theta"] = theta;
  older[row->first_form ? "type" : "rope_type"] = row->in_file;
  config["rope_theta"] = theta;
  config["rope_scaling"] = row->has_factor() ? older : Json();
  config["rope_parameters"] = newer;
  config.erase(kOriginal);  // it stands with the scaling now
  if (row->original == RopeRow::Original::top_and_scaling ||
      (row->original == RopeRow::Original::top && !rope.original_assumed))
    config[kOriginal] = rope.original_length;
  config.erase("partial_rotary_factor");  // 1
}

}  // namespace scca
