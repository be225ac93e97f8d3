// Every type and every setting of its own, from and to both forms of a config.json. That the keys are those
// of other programs' files is held by tests/golden/rope.json (config_test.cpp).
#include "models/rope_config.h"

#include <doctest/doctest.h>

#include <set>

#include "core/check.h"
#include "models/config.h"
#include "nn/rope_types.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

constexpr int64_t kOriginal = 64;
const char* const kForms[] = {"rope_scaling", "rope_parameters"};

LlamaConfig base() {
  return config_from_json({{"model_type", "llama"},
                           {"hidden_size", 64},
                           {"num_attention_heads", 8},
                           {"max_position_embeddings", kOriginal},
                           {"rope_theta", 500.0}},
                          "c");
}

/// Settings of a type as they are where a file says no more than it must.
RopeScaling usual(const RopeRow& row) {
  RopeScaling rope{.type = row.type, .factor = row.has_factor() ? 4.0 : 1.0};
  for (const RopeField& field : row.fields)
    if (const auto* list = std::get_if<std::vector<double> RopeScaling::*>(&field.member))
      rope.*(*list) = std::vector<double>(4, 1.0);
  return rope;
}

void change(RopeScaling& rope, double RopeScaling::*member) { rope.*member += 0.5; }
void change(RopeScaling& rope, std::optional<double> RopeScaling::*member) { rope.*member = 1.5; }
void change(RopeScaling& rope, bool RopeScaling::*member) { rope.*member = !(rope.*member); }
void change(RopeScaling& rope, std::vector<double> RopeScaling::*member) { rope.*member = {1, 2, 3, 4}; }

LlamaConfig scaled(const RopeScaling& rope) { return with_rope(base(), rope, 4 * kOriginal); }

/// What a reader of one of the forms alone makes of it.
RopeScaling read_form(Json config, const char* form) {
  if (form == std::string("rope_scaling")) {
    config.erase("rope_parameters");
  } else {
    config.erase("rope_scaling");
    config.erase("rope_theta");
  }
  return config_from_json(config, "c").rope;
}

Json without(Json config, const char* key) {
  for (const char* form : kForms)
    if (config[form].is_object()) config[form].erase(key);
  return config;
}

template <class F>
void for_each_written_row(const F& visit) {
  for (const RopeRow& row : rope_rows()) {
    if (!row.in_file) continue;
    CAPTURE(std::string(row.name));
    visit(row);
  }
}

}  // namespace

TEST_CASE("rope config: every setting of every type comes back, with another value than usual") {
  for_each_written_row([](const RopeRow& row) {
    CHECK(config_from_json(to_json(scaled(usual(row))), "c").rope == scaled(usual(row)).rope);
    for (const RopeField& field : row.fields) {
      CAPTURE(std::string(field.key));
      RopeScaling rope = usual(row);
      std::visit([&](auto member) { change(rope, member); }, field.member);
      const LlamaConfig config = scaled(rope);
      REQUIRE(config.rope != scaled(usual(row)).rope);
      const Json json = to_json(config);
      CHECK(config_from_json(json, "c").rope == config.rope);
      for (const char* form : kForms) {
        CHECK(json[form].contains(field.key));
        CHECK(read_form(json, form) == config.rope);
      }
    }
  });
}

TEST_CASE("rope config: a setting that a file does not have is as usual, or missed by its key") {
  for_each_written_row([](const RopeRow& row) {
    const LlamaConfig config = scaled(usual(row));
    for (const RopeField& field : row.fields) {
      CAPTURE(std::string(field.key));
      const Json json = without(to_json(config), field.key);
      const bool list = std::holds_alternative<std::vector<double> RopeScaling::*>(field.member);
      if (field.required) {
        CHECK(error_of([&] { config_from_json(json, "c"); }) ==
              concat("c: rope_parameters: ", row.name, " has no ", field.key));
      } else if (list) {
        CHECK(error_of([&] { config_from_json(json, "c"); }) ==
              concat("c: rope ", row.name, ": ", field.key, " has 0 numbers, expected head_dim / 2 = 4"));
      } else {
        CHECK(config_from_json(json, "c").rope == config.rope);
        // what is not set, or as it always was, is not written: older readers do not know it
        if (!std::holds_alternative<double RopeScaling::*>(field.member))
          CHECK(!to_json(config)["rope_scaling"].contains(field.key));
      }
    }
    const Json json = without(to_json(config), "factor");
    const std::set<std::string> required{"linear", "dynamic", "llama3"};
    if (required.contains(row.name))
      CHECK(error_of([&] { config_from_json(json, "c"); }) ==
            concat("c: rope_parameters: ", row.name, " has no factor"));
    else  // the lengths say it
      CHECK(config_from_json(json, "c").rope == config.rope);
  });
}

TEST_CASE("rope config: the first two types have the two keys that their first readers take") {
  for_each_written_row([](const RopeRow& row) {
    const Json scaling = to_json(scaled(usual(row)))["rope_scaling"];
    if (row.type == RopeType::linear || row.type == RopeType::dynamic)
      CHECK(scaling == Json{{"type", row.name}, {"factor", 4.0}});
    else if (row.type == RopeType::none)
      CHECK(scaling.is_null());
    else
      CHECK((scaling["rope_type"] == row.name && !scaling.contains("type")));
  });
}

TEST_CASE("rope config: the keys are the format's") {
  const Json scaling{{"rope_type", "yarn"},    {"factor", 4.0},     {"attention_factor", 1.25},
                     {"beta_fast", 24.0},      {"beta_slow", 2.0},  {"mscale", 0.5},
                     {"mscale_all_dim", 0.75}, {"truncate", false}, {"original_max_position_embeddings", 16}};
  Json json{{"model_type", "llama"}, {"max_position_embeddings", 64}, {"rope_scaling", scaling}};
  const RopeScaling rope = config_from_json(json, "c").rope;
  CHECK(rope == RopeScaling{.type = RopeType::yarn,
                            .factor = 4,
                            .original_length = 16,
                            .attention_factor = 1.25,
                            .beta_fast = 24,
                            .beta_slow = 2,
                            .mscale = 0.5,
                            .mscale_all_dim = 0.75,
                            .truncate = false});
  CHECK(to_json(config_from_json(json, "c"))["rope_scaling"] == scaling);
}

TEST_CASE("rope config: a key that no type of that name has is refused, not passed over") {
  const auto error = [](const char* form, const Json& settings) {
    return error_of([&] {
      config_from_json({{"model_type", "llama"}, {"max_position_embeddings", 64}, {form, settings}}, "c");
    });
  };
  const Json yarn{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
  for (const std::string form : kForms) {
    const auto with = [&](const char* key, const Json& value) {
      Json settings = yarn;
      settings[key] = value;
      return error(form.c_str(), settings);
    };
    CHECK(with("finetuned", true) == "no error");
    CHECK(with("mrope_section", {16, 24, 24}) == "no error");
    CHECK(with("short_factor", nullptr) == "no error");
    CHECK(with("atention_factor", 0.5) ==
          "c: " + form +
              ": \"atention_factor\" is 0.5, and this program does not know that field: it may "
              "change what is computed. Remove it if it does not");
    CHECK(with("low_freq_factor", 1.0).find("\"low_freq_factor\" is 1.0, and") != std::string::npos);
    CHECK(error(form.c_str(), {{"beta_fast", 3}}).find("\"beta_fast\" is 3, and") != std::string::npos);
    const Json plain{{"rope_type", "default"}, {"rope_theta", 1e6}};
    for (const char* kind : {"full_attention", "sliding_attention", "chunked_attention"})
      CHECK(error(form.c_str(), {{kind, plain}})
                .starts_with("c: " + form + ": " + kind + " is " + plain.dump() + ", expected none: "));
    CHECK(error(form.c_str(), {{"no_such_layers", plain}}).find("\"no_such_layers\" is {") !=
          std::string::npos);
  }
}
