#include "train/bench/scale.h"

#include <doctest/doctest.h>

#include "nn/patterns/spec.h"

using namespace scca;

namespace {

ScalePoint point(int64_t size, double seconds, int64_t bytes) {
  ScalePoint point{size, {}};
  point.step.seconds = seconds;
  point.step.peak_bytes = bytes;
  return point;
}

ScaleOptions tiny() {
  LlamaConfig small = demo_shape();
  small.hidden_size = 32;
  small.head_dim = 4;
  small.intermediate_size = 40;
  small.vocab_size = 64;
  small.num_hidden_layers = 2;
  return {.shortest = 32,
          .patterns = {{"full", 64}, {"window(chunk=16)", 128}},
          .models = {{"small", small}, {"the demo's", demo_shape()}},
          .model_context = 33};
}

}  // namespace

TEST_CASE("bench scale: an exponent is the slope between two sizes, whatever they are") {
  const ScaleLine line{"made up", {point(1000, 1, 100), point(2000, 4, 200), point(6000, 12, 200)}};
  CHECK(line.time_exponent(1) == doctest::Approx(2));
  CHECK(line.memory_exponent(1) == doctest::Approx(1));
  CHECK(line.time_exponent(2) == doctest::Approx(1));
  CHECK(line.memory_exponent(2) == doctest::Approx(0));
}

TEST_CASE("bench scale: every pattern at its lengths, then every model") {
  int64_t calls = 0;
  const Scale scale = measure_scale(tiny(), [&](int64_t done, int64_t all) {
    CHECK(done == ++calls);
    CHECK(all == 7);
  });
  CHECK(calls == 7);
  REQUIRE(scale.lengths.size() == 2);
  CHECK(scale.lengths[0].points.size() == 2);
  REQUIRE(scale.lengths[1].points.size() == 3);
  CHECK(scale.lengths[1].points[2].size == 128);
  CHECK(scale.lengths[1].points[2].step.tokens == 128);
  REQUIRE(scale.models.points.size() == 2);
  CHECK(scale.models.points[0].size < scale.models.points[1].size);
  CHECK(scale.models.points[1].step.tokens == 33);
  CHECK(scale.models.name == "small, the demo's");
  const nlohmann::json json = to_json(scale);
  CHECK(json["lengths"][1]["points"][0].contains("seconds"));
  CHECK(!json["lengths"][1]["points"][0].contains("time_exponent"));
  CHECK(json["lengths"][1]["points"][2]["time_exponent"].is_number());
  CHECK(to_text(scale).find("window(chunk=16)") != std::string::npos);
}

TEST_CASE("bench scale: its patterns are patterns, its models have the sizes that their names say") {
  const ScaleOptions usual = ScaleOptions::usual();
  for (const auto& [pattern, longest] : usual.patterns) {
    CHECK(parse_attention_spec(pattern).plan(64, 8, 0)->tokens == 64);
    CHECK(longest >= usual.shortest);
  }
  CHECK(usual.models.size() == 4);
  CHECK(usual.models.back().second.head_dim == 64);
}
