// Retrieval as a whole: a hand-made model that says one given text is right exactly where that is the answer.
#include "train/evaluation/retrieval.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/temporary_folder.h"
#include "train/evaluation/passkey.h"

using namespace scca;
using namespace scca::test;

namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer stories(std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K");
  return stories;
}

int64_t tokens_of(std::string_view text) { return std::ssize(tokenizer().encode(text)); }

/// The tokens from the prompt's last one to the continuation's end.
std::vector<int32_t> chain_of(const TaskPrompt& prompt, const std::string& continuation) {
  const std::vector<int32_t> all = tokenizer().encode(prompt.prompt + continuation);
  return {all.begin() + tokens_of(prompt.prompt) - 1, all.end()};
}

/// Each token is followed by the next of `chain`, whatever stood before: the blocks add nothing to the
/// embedding, the identity, and the head is a table of successors. The chain's tokens must differ.
Llama model_that_says(const std::vector<int32_t>& chain) {
  LlamaConfig config;
  config.vocab_size = config.hidden_size = tokenizer().vocab_size();
  config.intermediate_size = 8;
  config.num_hidden_layers = 1;
  config.num_attention_heads = config.num_key_value_heads = 1;
  config.head_dim = 8;
  config.max_position_embeddings = 4096;
  config.tie_word_embeddings = false;
  Llama model = Llama::initialised(config, 1);
  const auto clear = [](Tensor& tensor) {
    std::fill_n(tensor.data<float>(), tensor.numel(), 0.0f);
    return tensor.data<float>();
  };
  const int64_t width = config.hidden_size;
  float* embedding = clear(model.embed_tokens_VD);
  for (int64_t i = 0; i < width; ++i) embedding[i * width + i] = 1;
  clear(model.layers[0].self_attn.o_proj.weight_OI);
  clear(model.layers[0].mlp.down_proj.weight_OI);
  float* head = clear(model.lm_head_VD);
  for (size_t i = 1; i < chain.size(); ++i) head[chain[i] * width + chain[i - 1]] = 1;
  return model;
}

bool all_differ(const std::vector<int32_t>& chain) {
  return std::set<int32_t>(chain.begin(), chain.end()).size() == chain.size();
}

/// A seed for which the prompt's continuation can be said by such a model; `words`: so many answers of it.
struct Sayable {
  TaskPrompt prompt;
  std::vector<int32_t> chain;
  uint64_t seed = 0;
};

Sayable sayable(const std::string& task, TaskRequest request, size_t words) {
  for (request.seed = 1;; ++request.seed) {
    TaskPrompt prompt = make_prompt(find_task(task, "test"), tokens_of, request);
    std::string text;
    for (size_t i = 0; i < words; ++i) text += " " + prompt.answers[i];
    const std::vector<int32_t> chain = chain_of(prompt, text + ".");
    if (all_differ(chain)) return {prompt, chain, request.seed};
  }
}

}  // namespace

TEST_CASE("passkey: the one key that a model says is found in its cell, and no other") {
  const Sayable one = sayable("passkey", {.tokens = 411, .depth = 25, .index = 1}, 1);
  const Llama model = model_that_says(one.chain);
  const PasskeyOptions options{.lengths = {380, 411}, .depths = {0, 25, 100}, .trials = 3, .seed = one.seed};
  std::vector<int64_t> heard;
  const auto cells = evaluate_passkey(model, tokenizer(), options, [&](int64_t done, int64_t total) {
    CHECK(total == 18);
    heard.push_back(done);
  });
  CHECK(heard.size() == 18);
  CHECK(heard.back() == 18);
  REQUIRE(cells.size() == 6);
  for (const PasskeyCell& cell : cells) {
    CHECK(cell.trials == 3);
    CHECK(cell.correct == (cell.length == 411 && cell.depth == 25 ? 1 : 0));
  }
  CHECK(cells[1].depth == 25);
  CHECK(cells[3].length == 411);
  // a cell does not depend on which others are asked for
  const PasskeyOptions alone{.lengths = {411}, .depths = {25}, .trials = 2, .seed = one.seed};
  CHECK(evaluate_passkey(model, tokenizer(), alone)[0].correct == 1);
  const PasskeyOptions other{.lengths = {411}, .depths = {25}, .trials = 2, .seed = one.seed + 1};
  CHECK(evaluate_passkey(model, tokenizer(), other)[0].correct == 0);
}

TEST_CASE("passkey: JSON and heat map hold the cells") {
  const std::vector<PasskeyCell> cells{{512, 0, 2, 2}, {512, 50, 1, 2}, {900, 0, 0, 2}, {900, 50, 1, 2}};
  const PasskeyOptions options{.lengths = {512, 900}, .depths = {0, 50}, .trials = 2, .seed = 4};
  const nlohmann::json json = passkey_json(cells, options);
  CHECK(json["task"] == "passkey");
  CHECK(json["trials"] == 2);
  CHECK(json["seed"] == 4);
  CHECK(json["attention"] == "full");
  CHECK(json["accuracy"] == 0.5);
  REQUIRE(json["grid"].size() == 4);
  CHECK(json["grid"][1] ==
        nlohmann::json{{"length", 512}, {"depth", 50}, {"correct", 1}, {"trials", 2}, {"accuracy", 0.5}});
  REQUIRE(json["by_length"].size() == 2);
  CHECK(json["by_length"][0] ==
        nlohmann::json{{"length", 512}, {"correct", 3}, {"trials", 4}, {"accuracy", 0.75}});
  const Heatmap map = passkey_heatmap(cells, "title");
  CHECK(map.title == "title");
  CHECK(map.row_names == std::vector<std::string>{"0 %", "50 %"});
  CHECK(map.column_names == std::vector<std::string>{"512", "900"});
  CHECK(map.values == std::vector<double>{1, 0, 0.5, 0.5});
  CHECK(map.low == 0);
  CHECK(map.high == 1);
  CHECK(std::isnan(passkey_heatmap({cells[0], cells[3]}, "").values[1]));  // not measured
}

TEST_CASE("retrieval: one of five variables said is a fifth of RULER's score") {
  const Sayable one = sayable("vt", {.tokens = 1300}, 1);
  const auto cells = evaluate_retrieval(model_that_says(one.chain), tokenizer(),
                                        {.task = "vt", .lengths = {1300}, .trials = 2, .seed = one.seed});
  REQUIRE(cells.size() == 1);
  CHECK(!cells[0].depth);
  CHECK(cells[0].trials == 2);
  CHECK(cells[0].perfect == 0);
  CHECK(cells[0].score == doctest::Approx(0.2 / 2));  // one prompt's only
}

TEST_CASE("retrieval: a needle said is a full score, and the answer ends there") {
  const Sayable one = sayable("niah_single_1", {.tokens = 600}, 1);
  const Llama model = model_that_says(one.chain);
  const RetrievalOptions options{.task = "niah_single_1", .lengths = {600}, .trials = 1, .seed = one.seed};
  const auto cells = evaluate_retrieval(model, tokenizer(), options);
  CHECK(cells[0].perfect == 1);
  CHECK(cells[0].score == 1);
  const Task& task = find_task("niah_single_1", "test");
  CHECK(generate_answer(model, tokenizer(), task, one.prompt, options) == " " + one.prompt.answers[0]);
  // what is never settled goes on to the end of its room
  TaskPrompt hopeless = one.prompt;
  hopeless.answers = {"no such text"};
  CHECK(generate_answer(model, tokenizer(), task, hopeless, options).size() > 100);
}

TEST_CASE("retrieval: what cannot be asked is said before anything is") {
  const Llama model = model_that_says({5, 6});
  int64_t heard = 0;
  const auto error = [&](const RetrievalOptions& options) {
    return error_of(
        [&] { evaluate_retrieval(model, tokenizer(), options, [&](int64_t, int64_t) { ++heard; }); });
  };
  CHECK(error({.task = "passkey", .lengths = {600, 100}, .depths = {0}})
            .starts_with("passkey: a length of 100 is too short; the shortest prompt takes "));
  CHECK(error({.task = "vt", .lengths = {2000}, .depths = {0}}).starts_with("vt: has no depth"));
  CHECK(error({.task = "passkey"}) == "lengths: is empty; give token counts, as in 512,1024");
  CHECK(error({.task = "passkey", .lengths = {0}}) == "lengths: 0: expected a number of tokens, 1 or more");
  CHECK(error({.task = "passkey", .lengths = {600}, .depths = {-1}}) ==
        "depths: -1: expected percentages, 0 to 100");
  CHECK(error({.task = "passkey", .lengths = {600}, .trials = 0}) == "trials 0: expected 1 to 2^24");
  CHECK(error({.task = "pass", .lengths = {600}}).starts_with("task: unknown task 'pass'"));
  CHECK(heard == 0);
  CHECK(error_of([&] { PasskeyOptions{.lengths = {600}, .depths = {}}.validate(); }) ==
        "depths: is empty; give percentages, as in 0,50,100");
}

TEST_CASE("retrieval: BOS takes a token of the length") {
  RetrievalOptions options{.task = "passkey", .lengths = {500}, .depths = {50}, .trials = 1};
  const TaskPrompt exact = make_prompt(find_task("passkey", "test"), tokens_of, {500, 50, 0, 0});
  const int64_t full = exact.prompt_tokens + find_task("passkey", "test").answer_tokens;
  // at the least length there is no token to spare
  for (options.lengths = {full}; error_of([&] { check_lengths({}, tokenizer(), options); }) == "no error";)
    --options.lengths[0];
  ++options.lengths[0];
  CHECK_NOTHROW(check_lengths({}, tokenizer(), options));
  options.bos = true;
  CHECK_THROWS_AS(check_lengths({}, tokenizer(), options), UsageError);
}
