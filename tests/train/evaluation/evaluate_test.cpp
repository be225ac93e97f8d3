#include "train/evaluation/evaluate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "tests/temporary_folder.h"
#include "train/evaluation/recall.h"
#include "train/report/table.h"

using namespace scca;
using namespace scca::test;

namespace {

LlamaConfig tiny_config() {
  LlamaConfig config;
  config.vocab_size = 61;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.max_position_embeddings = 64;
  config.tie_word_embeddings = true;
  config.initializer_range = 0.02;
  return config;
}

std::vector<int32_t> random_tokens(int64_t count, uint32_t vocabulary = 61) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<int32_t>(philox(3, static_cast<uint64_t>(i))[0] % vocabulary));
  return tokens;
}

/// The loss of the last of these tokens, one forward pass for it alone.
double last_loss(const Llama& model, const std::vector<int32_t>& tokens, int64_t begin, int64_t end) {
  const std::vector<int32_t> ids(tokens.begin() + begin, tokens.begin() + end);
  const auto count = static_cast<int64_t>(ids.size());
  const Tensor logits =
      model.logits(Tensor::of(std::vector<int32_t>(ids.begin(), ids.end() - 1), {1, count - 1}));
  const int64_t vocabulary = logits.size(2);
  const float* row = logits.data<float>() + (count - 2) * vocabulary;
  double sum = 0;
  for (int64_t v = 0; v < vocabulary; ++v) sum += std::exp(static_cast<double>(row[v]));
  return std::log(sum) - row[ids.back()];
}

}  // namespace

TEST_CASE("evaluate: windows tile the data and drop the short last one") {
  const auto windows = evaluation_windows(100, {.context = 31});
  REQUIRE(windows.size() == 3);
  CHECK(windows[2].begin == 62);
  CHECK(windows[2].count == 31);
  CHECK(evaluation_windows(93, {.context = 31}).size() == 3);
  CHECK(evaluation_windows(92, {.context = 31}).size() == 2);
  CHECK(evaluation_windows(100, {.context = 31, .stride = 10}).size() ==
        7);  // 0, 10, ..., 60; 60 + 31 <= 100
}

TEST_CASE("evaluate: sliding scores every token but the first exactly once, with context enough") {
  for (const int64_t tokens : {33, 64, 65, 95, 96, 97, 130}) {
    for (const int64_t stride : {0, 1, 7, 31, 32}) {
      CAPTURE(tokens);
      CAPTURE(stride);
      const EvaluationOptions options{.context = 33, .stride = stride, .mode = EvaluationMode::sliding};
      std::vector<int> scored(static_cast<size_t>(tokens), 0);
      for (const Window& window : evaluation_windows(tokens, options)) {
        CHECK(window.count <= 33);
        CHECK(window.begin + window.count <= tokens);
        CHECK(window.first_scored >= 1);
        // all but the data's first tokens have at least N - S before them
        if (window.begin > 0) CHECK(window.first_scored >= 33 - options.actual_stride());
        for (int64_t i = window.first_scored; i < window.count; ++i)
          ++scored[static_cast<size_t>(window.begin + i)];
      }
      CHECK(scored[0] == 0);
      CHECK(std::all_of(scored.begin() + 1, scored.end(), [](int times) { return times == 1; }));
    }
  }
}

TEST_CASE("evaluate: each loss is that of a forward pass over the window's tokens before it") {
  const Llama model = Llama::initialised(tiny_config(), 1);
  const std::vector<int32_t> tokens = random_tokens(75);
  for (const EvaluationMode mode : {EvaluationMode::windows, EvaluationMode::sliding}) {
    const EvaluationOptions options{.context = 31, .stride = 20, .mode = mode};
    const Evaluation evaluation = evaluate(model, tokens, options);
    const auto windows = evaluation_windows(75, options);
    double sum = 0;
    for (size_t i = 0; i < evaluation.losses.loss.size(); ++i) {
      const Window& window = windows[static_cast<size_t>(evaluation.losses.window[i])];
      const int64_t at = window.begin + evaluation.losses.position[i];
      const double naive = last_loss(model, tokens, window.begin, at + 1);
      CHECK(evaluation.losses.loss[i] == doctest::Approx(naive).epsilon(1e-5));
      sum += naive;
    }
    const auto scored = static_cast<int64_t>(evaluation.losses.loss.size());
    CHECK(scored == (mode == EvaluationMode::windows ? 3 * 30 : 74));
    CHECK(evaluation.tokens == scored);
    CHECK(evaluation.nll == doctest::Approx(sum / static_cast<double>(scored)).epsilon(1e-6));
    CHECK(evaluation.perplexity == doctest::Approx(std::exp(evaluation.nll)).epsilon(1e-12));
  }
}

TEST_CASE("evaluate: many windows in one pass are as one window in each") {
  const Llama model = Llama::initialised(tiny_config(), 2);
  const std::vector<int32_t> tokens = random_tokens(31 * 140);  // more than one batch of 4096 tokens
  const Evaluation together = evaluate(model, tokens, {.context = 31});
  REQUIRE(together.losses.loss.size() == 140 * 30);
  for (const int64_t window : {0, 1, 77, 131, 132, 139}) {
    const std::vector<int32_t> own(tokens.begin() + window * 31, tokens.begin() + (window + 1) * 31);
    const Evaluation alone = evaluate(model, own, {.context = 31});
    for (size_t i = 0; i < 30; ++i) {
      CHECK(together.losses.loss[static_cast<size_t>(window) * 30 + i] ==
            doctest::Approx(alone.losses.loss[i]).epsilon(1e-5));
    }
  }
}

TEST_CASE("evaluate: documents of a window are scored as they are alone, and counted from their beginnings") {
  const Llama model = Llama::initialised(tiny_config(), 5);
  const std::vector<int32_t> tokens = random_tokens(96);
  // Two windows of 40: documents of 7, 1 and 32 tokens; of 3, of 30, and the 7 of another that fit in.
  const DocumentStarts starts = {0, 7, 8, 40, 43, 73, 90};
  const Evaluation packed = evaluate(model, tokens, {.context = 40, .documents = starts});
  std::vector<float> alone;
  std::vector<int32_t> positions;
  for (const auto& [begin, end] : {std::pair{0, 7}, {8, 40}, {40, 43}, {43, 73}, {73, 80}}) {
    const std::vector<int32_t> document(tokens.begin() + begin, tokens.begin() + end);
    const Evaluation one = evaluate(model, document, {.context = end - begin});
    alone.insert(alone.end(), one.losses.loss.begin(), one.losses.loss.end());
    positions.insert(positions.end(), one.losses.position.begin(), one.losses.position.end());
  }
  REQUIRE(packed.tokens == std::ssize(alone));
  CHECK(packed.losses.position == positions);
  for (size_t i = 0; i < alone.size(); ++i)
    CHECK(packed.losses.loss[i] == doctest::Approx(alone[i]).epsilon(1e-5));
  CHECK(packed.losses.window.front() == 0);
  CHECK(packed.losses.window.back() == 1);
  // A window that begins within a document cuts it in two.
  const Evaluation cut = evaluate(model, tokens, {.context = 32, .documents = DocumentStarts{0, 48}});
  const Evaluation tail = evaluate(model, {tokens.begin() + 32, tokens.begin() + 48}, {.context = 16});
  CHECK(cut.losses.loss[31] == doctest::Approx(tail.losses.loss[0]).epsilon(1e-5));
  CHECK(cut.tokens == 31 + 15 + 15 + 31);
  const std::string error =
      error_of([&] { EvaluationOptions{.context = 8, .stride = 4, .documents = starts}.validate(); });
  CHECK(error.find("documents goes with") != std::string::npos);
  CHECK(error_of([&] {
          EvaluationOptions{.context = 8, .mode = EvaluationMode::sliding, .documents = starts}.validate();
        }) == error);
}

TEST_CASE("evaluate: positions fall into [0, 256) and doubling buckets") {
  CHECK(bucket_of(0).from == 0);
  CHECK(bucket_of(255).to == 256);
  CHECK(bucket_of(256).from == 256);
  CHECK(bucket_of(511).to == 512);
  CHECK(bucket_of(512).from == 512);
  CHECK(bucket_of(1023).to == 1024);
  CHECK(bucket_of(1024).from == 1024);
  const Evaluation summary = summarise({{1, 2, 4, 8, 16}, {0, 0, 0, 1, 1}, {1, 255, 256, 511, 600}});
  REQUIRE(summary.by_position.size() == 3);
  CHECK(summary.by_position[0].nll == 1.5);
  CHECK(summary.by_position[1].nll == 6);
  CHECK(summary.by_position[2].from == 512);
  CHECK(summary.by_position[2].to == 1024);
  CHECK(summary.by_position[2].nll == 16);
  CHECK(summary.nll == doctest::Approx(31.0 / 5));
}

TEST_CASE("evaluate: what cannot be scored is said") {
  const Llama model = Llama::initialised(tiny_config(), 1);
  const auto error = [&](const std::vector<int32_t>& tokens, const EvaluationOptions& options) {
    return error_of([&] { evaluate(model, tokens, options); });
  };
  CHECK(error(random_tokens(30), {.context = 31}) ==
        "the data has 30 tokens, fewer than the context of 31; give more data or a smaller context");
  std::vector<int32_t> tokens = random_tokens(40);
  tokens[7] = 61;
  CHECK(error(tokens, {.context = 31})
            .starts_with("evaluate: token 7 of the data has id 61, beyond the model's vocabulary of 61"));
  CHECK_THROWS_AS(evaluate(model, random_tokens(9), {.context = 1}), UsageError);
  CHECK_THROWS_AS(evaluate(model, random_tokens(9), {.context = 8, .stride = -1}), UsageError);
  CHECK_THROWS_AS(
      evaluate(model, random_tokens(9), {.context = 8, .stride = 8, .mode = EvaluationMode::sliding}),
      UsageError);
  Llama broken = Llama::initialised(tiny_config(), 1);
  broken.norm_D.data<float>()[0] = NAN;
  CHECK(error_of([&] {
          evaluate(broken, random_tokens(40), {.context = 31});
        }).starts_with("evaluate: the loss of token 1 of the data is nan"));
}

TEST_CASE("recall: distances double from the passage's length to the whole window") {
  CHECK(recall_distances(128) == std::vector<int64_t>{64});
  CHECK(recall_distances(256) == std::vector<int64_t>{64, 128, 192});
  CHECK(recall_distances(2048) == std::vector<int64_t>{64, 128, 256, 512, 1024, 1984});
}

TEST_CASE("recall: an untrained model gains nothing, and what it sees decides the losses") {
  const Llama model = Llama::initialised(tiny_config(), 1);
  const std::vector<int32_t> tokens = random_tokens(2000);
  RecallOptions options{.context = 256, .passages = 3, .seed = 5};
  const Recall recall = evaluate_recall(model, tokens, options);
  REQUIRE(recall.by_distance.size() == 3);
  CHECK(recall.unrepeated.mean == doctest::Approx(std::log(61)).epsilon(0.05));
  for (const RecallAtDistance& at : recall.by_distance) {
    CHECK(at.gain.mean == doctest::Approx(recall.unrepeated.mean - at.second.mean).epsilon(1e-9));
    CHECK(at.gain.mean != 0);  // full attention does see the first occurrence
    REQUIRE(at.gain.standard_error.has_value());
  }
  // With a window of 64 the second occurrence sees nothing beyond itself and 64 tokens a layer back.
  options.attention = parse_attention_spec("window(chunk=8)");
  const Recall blind = evaluate_recall(model, tokens, options);
  for (const RecallAtDistance& at : blind.by_distance)
    CHECK(at.gain.mean == (at.distance > 64 ? 0 : at.gain.mean));
  CHECK(evaluate_recall(model, tokens, options).by_distance[0].second.mean ==
        blind.by_distance[0].second.mean);
  options.seed = 6;
  CHECK(evaluate_recall(model, tokens, options).unrepeated.mean != blind.unrepeated.mean);
}

TEST_CASE("recall: what cannot be measured is said") {
  const Llama model = Llama::initialised(tiny_config(), 1);
  CHECK(error_of([&] { evaluate_recall(model, random_tokens(575), {.context = 256}); }) ==
        "the data has 575 tokens; recall at context 256 needs 576 (two windows and a passage)");
  CHECK_NOTHROW(evaluate_recall(model, random_tokens(576), {.context = 256, .passages = 1}));
  CHECK_THROWS_AS(evaluate_recall(model, random_tokens(600), {.context = 127}), UsageError);
  CHECK_THROWS_AS(evaluate_recall(model, random_tokens(600), {.context = 128, .passages = 0}), UsageError);
}

TEST_CASE("recall: mean and standard error") {
  const Estimate estimate = scca::estimate({1, 2, 3, 6});
  CHECK(estimate.mean == 3);
  CHECK(*estimate.standard_error == doctest::Approx(std::sqrt(14.0 / 3 / 4)));
  CHECK(!scca::estimate({1}).standard_error);
}

TEST_CASE("evaluate: JSON has the figures, and they come back from it") {
  Evaluation evaluation = summarise({{1.5f, 0.5f, 4.0f}, {0, 0, 0}, {1, 255, 256}});
  const nlohmann::json json = to_json(evaluation);
  CHECK(json == nlohmann::json{{"perplexity", std::exp(2.0)},
                               {"nll", 2.0},
                               {"tokens", 3},
                               {"by_position",
                                {{{"from", 0}, {"to", 256}, {"nll", 1.0}},
                                 {{"from", 256}, {"to", 512}, {"nll", 4.0}}}}});
  CHECK(to_json(json.get<Evaluation>()) == json);
  CHECK(json.get<Evaluation>().by_position[1].nll == 4);
  nlohmann::json damaged = json;
  damaged.erase("nll");
  CHECK_THROWS_AS(damaged.get<Evaluation>(), nlohmann::json::exception);
}

TEST_CASE("recall: JSON has the figures, and they come back from it") {
  const Recall recall{{5.5, 0.25}, {{64, {1, 0.5}, {2, 0.125}, {3, {}}}, {192, {4, {}}, {5, {}}, {6, 0.75}}}};
  const RecallOptions options{.context = 256, .passages = 2};
  const nlohmann::json json = to_json(recall, options);
  CHECK(json["distances"][0] == nlohmann::json{{"distance", 64},
                                               {"second", 1.0},
                                               {"second_error", 0.5},
                                               {"first", 2.0},
                                               {"first_error", 0.125},
                                               {"gain", 3.0},
                                               {"gain_error", nullptr}});
  const auto back = json.get<Recall>();
  CHECK(to_json(back, options) == json);
  CHECK(back.by_distance[0].first.mean == 2);
  CHECK(back.by_distance[1].gain.standard_error == 0.75);
  CHECK(!back.by_distance[1].second.standard_error);
}

TEST_CASE("table: columns stand apart, the first to the left") {
  CHECK(format_table({{"a", "wide"}, {"long", "1"}}) == "a     wide\nlong     1\n");
  CHECK(fixed(-0.126, 2) == "-0.13");
}

TEST_CASE("evaluate: losses know the document of each token") {
  EvaluationOptions options{.context = 4};
  const std::vector<int32_t> tokens(8, 1);
  const Evaluation evaluation = summarise({std::vector<float>(6, 1), {}, {1, 2, 3, 1, 2, 3}});
  // Columns stand for tokens 1, 2, 3 and 5, 6, 7.
  using Documents = std::vector<int32_t>;
  CHECK(losses_of(evaluation, tokens, options, {0, 3, 6}).document == Documents{0, 0, 1, 1, 2, 2});
  CHECK(losses_of(evaluation, tokens, options, {1}).document == Documents{1, 1, 1, 1, 1, 1});
  CHECK(losses_of(evaluation, tokens, options).document.empty());
  options.stride = 2;  // windows of tokens 0 to 3 and 2 to 5
  CHECK(losses_of(evaluation, tokens, options, {0, 3, 6}).document == Documents{0, 0, 1, 1, 1, 1});
}
