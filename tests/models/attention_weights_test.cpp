// The weights of a head against transformers' (tests/golden/make_attention_goldens.py), and against the
// kernel that mixes values by them.
#include "models/attention_weights.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "ops/attention.h"
#include "ops/cast.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

std::string golden(const std::string& name) { return std::string(SCCA_SOURCE_DIR) + "/tests/golden/" + name; }

}  // namespace

TEST_CASE("attention_weights: transformers' of every head, with biases, norms of heads and a window") {
  const auto goldens = nlohmann::json::parse(read_text_file(golden("attention_weights.json")));
  for (const auto& [name, expected] : goldens.items())
    for (const DType dtype : {DType::f64, DType::f32}) {
      const Llama model = Llama::load(golden(name), dtype);
      const auto ids = expected["ids"].get<std::vector<int32_t>>();
      REQUIRE(std::ssize(expected["weights"]) == model.config.num_hidden_layers);
      for (int64_t layer = 0; layer < model.config.num_hidden_layers; ++layer)
        for (int64_t head = 0; head < model.config.num_attention_heads; ++head) {
          CAPTURE(name);
          CAPTURE(layer);
          CAPTURE(head);
          const auto weights = attention_weights(model, ids, layer, head);
          const auto& rows = expected["weights"][static_cast<size_t>(layer)][static_cast<size_t>(head)];
          double worst = 0;
          for (size_t i = 0; i < weights.size(); ++i) {
            const double exact = rows[i / ids.size()][i % ids.size()].get<double>();
            CHECK(std::isnan(weights[i]) == (exact == 0));
            if (exact != 0) worst = std::max(worst, std::abs(weights[i] - exact));
          }
          CHECK(worst <= (dtype == DType::f64 ? 1e-12 : 1e-5));  // f32 over a layer, times scores of some 10
        }
    }
}

TEST_CASE("attention_weights: what the kernel mixes values by, for sparse patterns too") {
  const Llama model = Llama::load(golden("gqa_tied"), DType::f64);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 33; ++i) ids.push_back(i * 7 % 40);
  const auto tokens = std::ssize(ids);
  for (const char* spec :
       {"full", "scca-fixed(chunk=8)", "sda(dilation=2)", "scca-flow(chunk=8)", "window(chunk=5)"})
    for (const int64_t layer : {0, 1}) {
      CAPTURE(spec);
      CAPTURE(layer);
      const auto attention_spec = parse_attention_spec(spec);
      AttentionProbe probe{.layer = layer};
      const Tensor with =
          model.hidden(Tensor::of(ids, {1, tokens}), {.attention = attention_spec, .probe = &probe});
      CHECK(same_bits(with, model.hidden(Tensor::of(ids, {1, tokens}), {.attention = attention_spec})));
      const Tensor value = random_tensor(probe.key_BSGK.shape(), DType::f64, 3);
      const auto mixed = values(attention(probe.query_BTHK, probe.key_BSGK, value, probe.plan)),
                 v = values(value);
      for (int64_t head = 0; head < 4; ++head) {
        const auto weights = attention_weights(model, ids, layer, head, attention_spec);
        REQUIRE(std::ssize(weights) == tokens * tokens);
        for (int64_t i = 0; i < tokens; ++i)
          for (int64_t c = 0; c < 6; ++c) {
            double sum = 0;
            for (int64_t j = 0; j < tokens; ++j) {
              const double weight = weights[static_cast<size_t>(i * tokens + j)];
              CHECK(std::isnan(weight) != sees(*probe.plan, head, i, j));
              if (!std::isnan(weight)) sum += weight * v[static_cast<size_t>((j * 2 + head / 2) * 6 + c)];
            }
            CHECK(std::abs(sum - mixed[static_cast<size_t>((i * 4 + head) * 6 + c)]) < 1e-13);
          }
      }
    }
}

TEST_CASE("attention_weights: of a model on a device") {
  for (const Device device : other_devices()) {
    Llama model = Llama::load(golden("gqa_tied"));
    const std::vector<int32_t> ids{27, 39, 36, 28, 24, 33, 9};
    const auto expected = attention_weights(model, ids, 1, 3);
    model.to(device);
    const auto found = attention_weights(model, ids, 1, 3);
    for (size_t i = 0; i < found.size(); ++i) {
      CHECK(std::isnan(found[i]) == std::isnan(expected[i]));
      if (!std::isnan(found[i])) CHECK(std::abs(found[i] - expected[i]) <= 1e-5);
    }
  }
}

TEST_CASE("attention_weights: layers and heads that are not there are refused") {
  const Llama model = Llama::load(golden("gqa_tied"));
  CHECK_THROWS_WITH_AS(attention_weights(model, {1, 2}, 0, 4),
                       "attention_weights: head 4, expected one from 0 to 3", Error);
  CHECK_THROWS_AS(attention_weights(model, {1, 2}, 0, -1), Error);
  CHECK_THROWS_WITH_AS(attention_weights(model, {1, 2}, 2, 0),
                       "llama: layer 2 is asked for, expected one from 0 to 1", Error);
  CHECK_THROWS_AS(attention_weights(model, {1, 2}, -1, 0), Error);
  CHECK_THROWS_AS(attention_weights(model, {}, 0, 0), Error);
  AttentionProbe probe;
  CHECK_THROWS_WITH_AS(
      model.hidden(Tensor::of<int32_t>({1, 2}, {1, 2}), {.checkpointing = 1, .probe = &probe}),
      "llama: a probe would be written again in backward; leave checkpointing out", Error);
}
