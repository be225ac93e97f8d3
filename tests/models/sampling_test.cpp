#include "models/sampling.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

TEST_CASE("sampling: temperature 0 takes the likeliest token, the lowest id among equals") {
  const SamplingOptions greedy{.temperature = 0};
  CHECK(sample({0, 3, -1, 3}, greedy, 0.99) == 1);
  CHECK(sample({5, 3, -1, 3}, greedy, 0.5) == 0);
}

TEST_CASE("sampling: samples follow the softmax of the logits over the temperature") {
  const std::vector<float> logits{1, 2, 0, -3};
  for (const double temperature : {0.5, 1.0, 2.0}) {
    const SamplingOptions options{.temperature = temperature, .top_p = 1};
    double total = 0;
    for (const float x : logits) total += std::exp(x / temperature);
    std::vector<int> counts(4, 0);
    const int draws = 20000;  // evenly spaced: each count is within 2 of its share
    for (int i = 0; i < draws; ++i) ++counts[static_cast<size_t>(sample(logits, options, (i + 0.5) / draws))];
    for (size_t id = 0; id < 4; ++id)
      CHECK(std::abs(counts[id] - draws * std::exp(logits[id] / temperature) / total) <= 2);
  }
}

TEST_CASE("sampling: top-p keeps the fewest tokens that hold the share") {
  const std::vector<float> logits{std::log(0.5f), std::log(0.1f), std::log(0.3f), std::log(0.1f)};
  const auto kept = [&](double top_p) {
    std::vector<int32_t> seen;
    for (int i = 0; i < 1000; ++i) {
      const int32_t id = sample(logits, {.temperature = 1, .top_p = top_p}, (i + 0.5) / 1000);
      if (std::find(seen.begin(), seen.end(), id) == seen.end()) seen.push_back(id);
    }
    std::sort(seen.begin(), seen.end());
    return seen;
  };
  CHECK(kept(0.4) == std::vector<int32_t>{0});
  CHECK(kept(0.7) == std::vector<int32_t>{0, 2});
  CHECK(kept(0.85) == std::vector<int32_t>{0, 1, 2});
  CHECK(kept(1) == std::vector<int32_t>{0, 1, 2, 3});
}

TEST_CASE("sampling: probabilities are those of transformers, whatever narrows the choice") {
  // Made by tests/golden/make_sampling_goldens.py.
  const std::string file = SCCA_SOURCE_DIR "/tests/golden/sampling.json";
  const Json goldens = parse_json(read_text_file(file), file);
  REQUIRE(goldens.size() == 38);
  for (const Json& golden : goldens) {
    CAPTURE(golden.dump());
    const SamplingOptions options{.temperature = golden.value("temperature", 1.0),
                                  .top_p = golden.value("top_p", 1.0),
                                  .top_k = golden.value("top_k", int64_t{0}),
                                  .min_p = golden.value("min_p", 0.0),
                                  .repetition_penalty = golden.value("repetition_penalty", 1.0)};
    options.validate();
    auto logits = golden["logits"].get<std::vector<float>>();
    const std::vector<int32_t> seen{3, 1, 8, 5};  // each of golden["seen"] once
    penalise(logits, seen, options.repetition_penalty);
    const int draws = 20000;  // evenly spaced: each count is within 2 of its share
    std::vector<int> counts(logits.size());
    for (int i = 0; i < draws; ++i) ++counts[static_cast<size_t>(sample(logits, options, (i + 0.5) / draws))];
    for (size_t id = 0; id < logits.size(); ++id) {
      const double share = golden["probabilities"][id].get<double>();
      CHECK(std::abs(counts[id] - draws * share) <= 2);
      CHECK((counts[id] > 0 || share < 1e-3));
      CHECK((counts[id] == 0 || share > 0));
    }
  }
}

TEST_CASE("sampling: of tokens that are alike the lowest ids are kept") {
  for (int i = 0; i < 100; ++i)
    CHECK(sample({1, 2, 2, 2, 2}, {.temperature = 1, .top_p = 1, .top_k = 2}, i / 100.0) == (i < 50 ? 1 : 2));
}

TEST_CASE("sampling: a penalty passes ids over that have no logit, and 1 changes nothing") {
  const std::vector<float> before{2, -2, 0, 1};
  std::vector<float> logits = before;
  penalise(logits, std::vector<int32_t>{0, 1, 2, 9}, 2);
  CHECK(logits == std::vector<float>{1, -4, 0, 1});
  logits = {INFINITY, -INFINITY};
  penalise(logits, std::vector<int32_t>{0, 1}, 1);
  CHECK(logits == std::vector<float>{INFINITY, -INFINITY});
}

TEST_CASE("sampling: settings without a meaning are refused by name") {
  const auto refusal = [](const SamplingOptions& options) { return error_of([&] { options.validate(); }); };
  CHECK(refusal({}) == "no error");
  CHECK(refusal({.max_tokens = 0}) == "max_tokens 0: expected 1 or more");
  CHECK(refusal({.temperature = -0.1}) == "temperature -0.1: expected 0 or more");
  CHECK(refusal({.temperature = NAN}).starts_with("temperature nan"));
  CHECK(refusal({.top_p = 0}).starts_with("top_p 0"));
  CHECK(refusal({.top_p = 1.1}).starts_with("top_p 1.1"));
  CHECK(refusal({.min_tokens = -1}) == "min_tokens -1: expected 0 or more");
  CHECK(refusal({.top_k = -1}) == "top_k -1: expected 1 or more, or 0 for all");
  CHECK(refusal({.min_p = -0.1}) == "min_p -0.1: expected a share in [0, 1]");
  CHECK(refusal({.min_p = 1.1}).starts_with("min_p 1.1"));
  CHECK(refusal({.min_p = NAN}).starts_with("min_p nan"));
  CHECK(refusal({.min_p = 1}) == "no error");
  CHECK(refusal({.repetition_penalty = 0}) ==
        "repetition_penalty 0: expected more than 0; 1 changes nothing");
  CHECK(refusal({.repetition_penalty = INFINITY}).starts_with("repetition_penalty inf"));
  CHECK(refusal({.stop = {"a", ""}}) == "stop '': expected a text, in UTF-8");
  CHECK(refusal({.stop = {"\xc3"}}).starts_with("stop '\xef\xbf\xbd'"));
  CHECK_THROWS_AS(SamplingOptions{.top_k = -1}.validate(), UsageError);
}
