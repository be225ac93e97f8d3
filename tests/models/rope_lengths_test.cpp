#include "models/rope_lengths.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

LlamaConfig config_of(int64_t max_position_embeddings, Json scaling, int64_t original_at_top = 0) {
  Json json{{"model_type", "llama"},
            {"hidden_size", 64},
            {"num_attention_heads", 8},
            {"max_position_embeddings", max_position_embeddings},
            {"rope_scaling", std::move(scaling)}};
  if (original_at_top > 0) json["original_max_position_embeddings"] = original_at_top;
  return config_from_json(json, "c");
}

Json yarn(double factor, int64_t original) {
  return {{"rope_type", "yarn"}, {"factor", factor}, {"original_max_position_embeddings", original}};
}

Json llama3(double factor, int64_t original) {
  return {{"rope_type", "llama3"},
          {"factor", factor},
          {"low_freq_factor", 1.0},
          {"high_freq_factor", 4.0},
          {"original_max_position_embeddings", original}};
}

Json longrope() {
  return {{"type", "longrope"},
          {"short_factor", std::vector<double>(4, 1.0)},
          {"long_factor", std::vector<double>(4, 3.0)},
          {"original_max_position_embeddings", 512}};
}

const Json kLinear{{"type", "linear"}, {"factor", 4.0}}, kDynamic{{"type", "dynamic"}, {"factor", 4.0}};

/// Configs as people bring them, scaled or not in max_position_embeddings.
struct Case {
  const char* name;
  LlamaConfig config;
  int64_t original, made_for;
  bool assumed;
  double at_4096;  // the factor for 4096 tokens
};

std::vector<Case> cases() {
  return {{"none", config_of(512, nullptr), 512, 512, false, 8},
          {"linear, length before scaling", config_of(512, kLinear), 512, 2048, true, 8},
          {"linear, length after scaling, L0 unknown", config_of(2048, kLinear), 2048, 8192, true, 4},
          {"linear, length after scaling, L0 stated", config_of(2048, kLinear, 512), 512, 2048, false, 8},
          {"linear, length before scaling, L0 stated", config_of(512, kLinear, 512), 512, 2048, false, 8},
          {"dynamic", config_of(512, kDynamic), 512, 2048, false, 8},
          {"yarn, length after scaling", config_of(2048, yarn(4, 512)), 512, 2048, false, 8},
          {"yarn, length before scaling", config_of(512, yarn(4, 512)), 512, 2048, false, 8},
          {"llama3, length after scaling", config_of(2048, llama3(4, 512)), 512, 2048, false, 8},
          {"llama3, length before scaling", config_of(512, llama3(4, 512)), 512, 2048, false, 8},
          {"llama3, more than the factor says", config_of(2048, llama3(2, 512)), 512, 2048, false, 4},
          {"longrope", config_of(2048, longrope()), 512, 2048, false, 4}};
}

}  // namespace

TEST_CASE("rope lengths: what a config is made for, with its length before or after scaling") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const RopeLengths lengths = rope_lengths(c.config);
    CHECK(lengths.original == c.original);
    CHECK(lengths.made_for == c.made_for);
    CHECK(c.config.rope.original_assumed == c.assumed);
    CHECK(rope_assumption(c.config).empty() == !c.assumed);
  }
  CHECK(rope_assumption(config_of(2048, kLinear)).find("\"original_max_position_embeddings\": 512") !=
        std::string::npos);
  // a scaling by 1 leaves nothing open
  CHECK(!config_of(512, {{"type", "linear"}, {"factor", 1.0}}).rope.original_assumed);
  CHECK(rope_lengths(config_of(131072, llama3(8, 8192))).made_for == 131072);  // LLaMA 3.1
  CHECK(rope_lengths(config_of(512, {{"type", "linear"}, {"factor", 1e300}})).made_for == 9000000000000000);
}

TEST_CASE("rope lengths: a factor rises with the context, and never falls") {
  for (const Case& c : cases()) {
    const RopeType type = c.config.rope.type == RopeType::none ? RopeType::linear : c.config.rope.type;
    CAPTURE(c.name);
    for (const int64_t context : {1, 511, 512, 513, 2047, 2048, 2049, 4095, 4096, 33000}) {
      CAPTURE(context);
      const LlamaConfig longer = extended(c.config, type, {}, context);
      CHECK(longer.rope.type == type);
      CHECK(longer.rope.factor >= c.config.rope.factor);
      CHECK(rope_lengths(longer).made_for >= c.made_for);
      CHECK(rope_lengths(longer).original == c.original);
      if (type == RopeType::longrope || (context <= c.made_for && type == c.config.rope.type)) {
        CHECK(to_json(longer) == to_json(c.config));
        continue;
      }
      CHECK(rope_lengths(longer).made_for >= context);
      if (longer.rope.factor == 1) continue;
      // the least whole factor that does
      const LlamaConfig less = extended(c.config, type, longer.rope.factor - 1 + 1e-9, 0);
      CHECK(rope_lengths(less).made_for < context);
    }
    CHECK(extended(c.config, type, {}, 4096).rope.factor == c.at_4096);
  }
}

TEST_CASE("rope lengths: what is extended and written is extended again from the same base length") {
  for (const Case& c : cases()) {
    if (c.config.rope.type == RopeType::longrope) continue;
    const RopeType type = c.config.rope.type == RopeType::none ? RopeType::linear : c.config.rope.type;
    CAPTURE(c.name);
    const LlamaConfig once = extended(c.config, type, {}, 3000);
    const LlamaConfig merged = config_from_json(to_json(once), "merged");
    CHECK(merged.rope == once.rope);
    CHECK(rope_lengths(merged).original == c.original);
    CHECK(rope_lengths(merged).made_for == rope_lengths(once).made_for);
    CHECK(merged.rope.original_assumed == c.assumed);
    const LlamaConfig twice = extended(merged, type, {}, 9000);
    CHECK(rope_lengths(twice).made_for >= 9000);
    CHECK(twice.rope.factor >= std::ceil(9000.0 / (c.original * 4.0)));
    CHECK(twice.rope.factor > once.rope.factor);
  }
  // ntk comes back as plain RoPE with its theta: a base for 4096 tokens
  const LlamaConfig ntk =
      config_from_json(to_json(extended(config_of(512, nullptr), RopeType::ntk, {}, 4096)), "c");
  CHECK(ntk.rope.type == RopeType::none);
  CHECK(rope_lengths(ntk).original == 4096);
  CHECK(rope_lengths(ntk).made_for == 4096);
}

TEST_CASE("rope lengths: a given factor is taken, another type begins at the base length") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    for (const RopeType type : {RopeType::linear, RopeType::ntk, RopeType::dynamic, RopeType::yarn}) {
      const LlamaConfig given = extended(c.config, type, 2.5, 4096);
      CHECK(given.rope.factor == 2.5);
      CHECK(given.rope.type == type);
      const bool same = type == c.config.rope.type;
      CHECK(given.rope.original_assumed == (c.assumed && same));
      CHECK(rope_lengths(given).made_for == 2.5 * (same ? c.made_for / c.config.rope.factor : c.original));
      if (same) continue;
      const LlamaConfig other = extended(c.config, type, {}, 4096);
      CHECK(other.rope.factor == std::ceil(std::max<double>(4096, c.made_for) / c.original));
      CHECK(other.rope.long_factor.empty());
    }
    const LlamaConfig none = extended(c.config, RopeType::none, {}, 4096);
    CHECK(none.max_position_embeddings == c.original);
    CHECK(inverse_frequencies(none.rope, 8, 700).inverse == inverse_frequencies({}, 8, 700).inverse);
  }
  CHECK(error_of([] {
          extended(config_of(512, nullptr), RopeType::linear, 1e7, 0);
        }).starts_with("rope linear: factor 1e+07 makes positions for 5.12e+09 tokens"));
}

TEST_CASE("rope lengths: yarn's attention_factor goes with the factor where it only repeats the formula") {
  Json scaling = yarn(4, 512);
  scaling["attention_factor"] = 0.1 * std::log(4.0) + 1;
  const LlamaConfig repeated = config_of(2048, scaling);
  CHECK(inverse_frequencies(extended(repeated, RopeType::yarn, {}, 4096).rope, 8, 1).magnitude ==
        doctest::Approx(0.1 * std::log(8.0) + 1));
  scaling["attention_factor"] = 1.0;
  const LlamaConfig chosen = config_of(2048, scaling);
  CHECK(inverse_frequencies(extended(chosen, RopeType::yarn, {}, 4096).rope, 8, 1).magnitude == 1);
}

TEST_CASE("rope lengths: the least factor for a length is of the config's own type, and is enough") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const RopeType own = c.config.rope.type, type = stretching_type(c.config);
    CHECK(type == (own == RopeType::none ? RopeType::yarn : own));
    const std::optional<double> factor = factor_for(c.config, 9000);
    CHECK(factor.has_value() == (own != RopeType::longrope));
    if (!factor) continue;
    CHECK(rope_lengths(extended(c.config, type, factor, 0)).made_for >= 9000);
    CHECK(rope_lengths(extended(c.config, type, *factor - 1, 0)).made_for < 9000);
    CHECK(*factor > c.config.rope.factor);
  }
  CHECK(describe_rope(config_of(512, yarn(4, 512))) ==
        "base length 512, type yarn, factor 4, made for 2048 tokens");
  CHECK(describe_rope(config_of(512, nullptr)) ==
        "base length 512, type none, factor 1, made for 512 tokens");
}

TEST_CASE("rope lengths: a length that one of config.json's two forms states counts for both") {
  Json json = to_json(config_of(2048, kLinear, 512));
  CHECK(json["original_max_position_embeddings"] == 512);
  json.erase("original_max_position_embeddings");
  for (const char* form : {"rope_scaling", "rope_parameters"}) {
    Json one = json;
    one[form]["original_max_position_embeddings"] = 512;
    const LlamaConfig config = config_from_json(one, "c");
    CHECK(config.rope.original_length == 512);
    CHECK(!config.rope.original_assumed);
  }
  json["rope_parameters"]["original_max_position_embeddings"] = 0;
  CHECK(error_of([&] {
          config_from_json(json, "c");
        }).find("original_max_position_embeddings is 0, expected the tokens of pretraining") !=
        std::string::npos);
}
