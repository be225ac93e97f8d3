#include "nn/rope_scaling.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

RopeScaling scaling_of(RopeType type, double factor = 4, int64_t original_length = 64) {
  RopeScaling scaling;
  scaling.type = type;
  scaling.factor = factor;
  scaling.original_length = original_length;
  return scaling;
}

doctest::Approx about(double value) { return doctest::Approx(value).epsilon(1e-14); }

}  // namespace

// The numbers of every type are held to transformers' in tests/models/config_test.cpp; here are the
// properties that the formulas promise.
TEST_CASE("rope_scaling: none and linear") {
  for (int64_t head_dim : {2, 6, 10, 64, 128}) {
    const auto none = inverse_frequencies({}, head_dim, 100),
               linear = inverse_frequencies(scaling_of(RopeType::linear), head_dim, 100);
    REQUIRE(none.inverse.size() == static_cast<size_t>(head_dim / 2));
    CHECK(none.magnitude == 1);
    CHECK(linear.magnitude == 1);
    for (size_t i = 0; i < none.inverse.size(); ++i) {
      CHECK(none.inverse[i] ==
            about(1 / std::pow(10000.0, 2.0 * static_cast<double>(i) / static_cast<double>(head_dim))));
      // Position 4p under linear 4 turns as position p did.
      CHECK(linear.inverse[i] * 4 == none.inverse[i]);
    }
  }
}

TEST_CASE("rope_scaling: ntk keeps the fastest component and interpolates the slowest whole") {
  for (int64_t head_dim : {4, 6, 128}) {
    const auto none = inverse_frequencies({}, head_dim, 1),
               ntk = inverse_frequencies(scaling_of(RopeType::ntk), head_dim, 1);
    CHECK(ntk.inverse.front() == none.inverse.front());
    CHECK(ntk.inverse.back() == about(none.inverse.back() / 4));
    RopeScaling by_theta;
    by_theta.theta = ntk_theta(10000, 4, head_dim);
    CHECK(inverse_frequencies(by_theta, head_dim, 1).inverse == ntk.inverse);
  }
}

TEST_CASE("rope_scaling: dynamic starts at the original length and grows to ntk's") {
  const RopeScaling dynamic = scaling_of(RopeType::dynamic);
  const auto none = inverse_frequencies({}, 10, 1).inverse;
  for (int64_t tokens : {1, 63, 64}) CHECK(inverse_frequencies(dynamic, 10, tokens).inverse == none);
  CHECK(inverse_frequencies(dynamic, 10, 65).inverse.back() < none.back());
  // f L/L0 - (f - 1) is 4 * 2 - 3 at twice the length.
  CHECK(inverse_frequencies(dynamic, 10, 128).inverse ==
        inverse_frequencies(scaling_of(RopeType::ntk, 5), 10, 1).inverse);
}

TEST_CASE("rope_scaling: yarn and llama3 lie between trained and interpolated, and reach both") {
  for (RopeType type : {RopeType::yarn, RopeType::llama3}) {
    const auto none = inverse_frequencies({}, 128, 1),
               scaled = inverse_frequencies(scaling_of(type, 8, 2048), 128, 1);
    CHECK(scaled.inverse.front() == none.inverse.front());
    CHECK(scaled.inverse.back() == about(none.inverse.back() / 8));
    int between = 0;
    for (size_t i = 0; i < none.inverse.size(); ++i) {
      const double ratio = scaled.inverse[i] / none.inverse[i];
      CHECK(ratio <= 1 + 1e-12);
      CHECK(ratio >= 0.125 - 1e-12);
      between += ratio < 0.99 && ratio > 0.13;
    }
    CHECK(between > 5);
  }
  CHECK(inverse_frequencies(scaling_of(RopeType::yarn, 8, 2048), 128, 1).magnitude ==
        about(0.1 * std::log(8.0) + 1));
}

TEST_CASE("rope_scaling: a factor of 1 changes nothing") {
  const auto none = inverse_frequencies({}, 16, 1);
  for (RopeType type : {RopeType::linear, RopeType::ntk, RopeType::yarn, RopeType::llama3}) {
    const auto scaled = inverse_frequencies(scaling_of(type, 1), 16, 1000);
    CHECK(scaled.magnitude == 1);
    for (size_t i = 0; i < none.inverse.size(); ++i) CHECK(scaled.inverse[i] == about(none.inverse[i]));
  }
}

TEST_CASE("rope_scaling: names") {
  CHECK(rope_type_names() == "none, linear, ntk, dynamic, yarn, llama3, longrope");
  CHECK(rope_type_of("default") == RopeType::none);
  CHECK(rope_type_of("yarn") == RopeType::yarn);
  CHECK(!rope_type_of("Yarn"));
  CHECK(!rope_type_of(""));
}

TEST_CASE("rope_scaling: settings without a meaning are refused") {
  const auto error = [](const RopeScaling& scaling, int64_t head_dim) {
    return error_of([&] { inverse_frequencies(scaling, head_dim, 1); });
  };
  const std::string pairs = ", expected an even number from 2 up: its components turn in pairs";
  CHECK(error({}, 7) == "rope: head_dim is 7" + pairs);
  CHECK(error({}, 0) == "rope: head_dim is 0" + pairs);
  CHECK(error({}, -2) == "rope: head_dim is -2" + pairs);
  RopeScaling s;
  s.theta = 0;
  CHECK(error(s, 8) == "rope: theta is 0, expected a number above 0");
  CHECK(error(scaling_of(RopeType::linear, 0.5), 8) == "rope linear: factor is 0.5, expected at least 1");
  CHECK(error(scaling_of(RopeType::linear, NAN), 8) == "rope linear: factor is nan, expected at least 1");
  CHECK(error(scaling_of(RopeType::ntk), 2) ==
        "rope ntk: head_dim is 2, expected 4 or more: the formula divides by head_dim - 2");
  CHECK(error(scaling_of(RopeType::dynamic, 4, 0), 8) ==
        "rope dynamic: original length is 0, expected the tokens of pretraining "
        "(original_max_position_embeddings)");
  s = scaling_of(RopeType::yarn);
  s.beta_slow = 33;
  CHECK(error(s, 8) == "rope yarn: beta_fast 32 and beta_slow 33, expected 0 < beta_slow <= beta_fast");
  s = scaling_of(RopeType::yarn);
  s.attention_factor = -1;
  CHECK(error(s, 8) == "rope yarn: attention_factor is -1, expected a number above 0");
  s = scaling_of(RopeType::llama3);
  s.low_freq_factor = 4;
  CHECK(error(s, 8) == "rope llama3: low_freq_factor 4 and high_freq_factor 4, expected 0 < low < high");
  s = scaling_of(RopeType::longrope);
  s.short_factor = {1, 1, 1, 1};
  CHECK(error(s, 8) == "rope longrope: long_factor has 0 numbers, expected head_dim / 2 = 4");
  s.long_factor = {1, 2, 0, 4};
  CHECK(error(s, 8) == "rope longrope: long_factor holds a number that is not above 0");
}
