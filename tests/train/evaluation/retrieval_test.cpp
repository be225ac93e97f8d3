// Retrieval as a whole: a hand-made model that says one given text is right exactly where that is the answer.
#include "train/evaluation/retrieval.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/temporary_folder.h"

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
  RetrievalOptions options = passkey_options();
  CHECK(options.depths == std::vector<int64_t>{0, 25, 50, 75, 100});
  options.lengths = {380, 411};
  options.depths = {0, 25, 100};
  options.trials = 3;
  options.seed = one.seed;
  std::vector<int64_t> heard;
  const auto hear = [&](int64_t done, int64_t total, const std::string& task) {
    CHECK(total == 18);
    CHECK(task == "passkey");
    heard.push_back(done);
  };
  const auto cells = evaluate_retrieval(model, tokenizer(), options, hear).cells;
  CHECK(heard.size() == 18);
  CHECK(heard.back() == 18);
  REQUIRE(cells.size() == 6);
  for (const RetrievalCell& cell : cells) {
    CHECK(cell.task == "passkey");
    CHECK(cell.trials == 3);
    CHECK(cell.perfect == (cell.length == 411 && cell.depth == 25 ? 1 : 0));
  }
  CHECK(cells[1].depth == 25);
  CHECK(cells[3].length == 411);
  // a cell does not depend on which others are asked for
  options.lengths = {411}, options.depths = {25}, options.trials = 2;
  CHECK(evaluate_retrieval(model, tokenizer(), options).cells[0].perfect == 1);
  ++options.seed;
  CHECK(evaluate_retrieval(model, tokenizer(), options).cells[0].perfect == 0);
}

TEST_CASE("retrieval: a grid by depth as JSON, back from it, and as a heat map") {
  const Retrieval keys{{{"passkey", 512, 0, 2, 2, 1},
                        {"passkey", 512, 50, 2, 1, 0.5},
                        {"passkey", 900, 0, 2, 0, 0},
                        {"passkey", 900, 50, 2, 1, 0.5}}};
  const RetrievalOptions options{.tasks = {"passkey"},
                                 .lengths = {512, 900},
                                 .depths = {0, 50},
                                 .trials = 2,
                                 .seed = 4,
                                 .attention = parse_attention_spec("full")};
  const nlohmann::json json = to_json(keys, options);
  const auto cell = [](int64_t length, int64_t depth, int64_t correct, double accuracy) {
    return nlohmann::json{
        {"length", length}, {"depth", depth}, {"correct", correct}, {"trials", 2}, {"accuracy", accuracy}};
  };
  CHECK(json ==
        nlohmann::json{
            {"task", "passkey"},
            {"trials", 2},
            {"seed", 4},
            {"attention", "full"},
            {"grid", {cell(512, 0, 2, 1), cell(512, 50, 1, 0.5), cell(900, 0, 0, 0), cell(900, 50, 1, 0.5)}},
            {"by_length",
             {{{"length", 512}, {"correct", 3}, {"trials", 4}, {"accuracy", 0.75}},
              {{"length", 900}, {"correct", 1}, {"trials", 4}, {"accuracy", 0.25}}}},
            {"accuracy", 0.5}});
  const auto back = json.get<Retrieval>();
  CHECK(back.cells[1].depth == 50);
  CHECK(back.cells[1].task == "passkey");
  CHECK(to_json(back, options) == json);
  const Heatmap map = retrieval_heatmap(keys, "title");
  CHECK(map.title == "title");
  CHECK(map.row_label == "depth");
  CHECK(map.value_label == "keys found");
  CHECK(map.row_names == std::vector<std::string>{"0 %", "50 %"});
  CHECK(map.column_names == std::vector<std::string>{"512", "900"});
  CHECK(map.values == std::vector<double>{1, 0, 0.5, 0.5});
  CHECK(map.low == 0);
  CHECK(map.high == 1);
  CHECK(std::isnan(retrieval_heatmap({{keys.cells[0], keys.cells[3]}}, "").values[1]));  // not measured
}

TEST_CASE("retrieval: a grid by task as JSON, back from it, and as a heat map") {
  const Retrieval scores{{{"vt", 512, {}, 2, 1, 0.75},
                          {"vt", 900, {}, 2, 0, 0.25},
                          {"fwe", 512, {}, 2, 0, 0.25},
                          {"fwe", 900, {}, 2, 0, 0}}};
  RetrievalOptions options{.tasks = {"vt", "fwe"}, .lengths = {512, 900}, .trials = 2, .seed = 4};
  CHECK(to_json(scores, options)["attention"].is_null());  // the model's own, which is not known here
  options.attention = parse_attention_spec("full");
  const nlohmann::json json = to_json(scores, options);
  const auto cell = [](const char* task, int64_t length, int64_t perfect, double score) {
    return nlohmann::json{
        {"task", task}, {"length", length}, {"perfect", perfect}, {"trials", 2}, {"score", score}};
  };
  CHECK(json == nlohmann::json{
                    {"tasks", {"vt", "fwe"}},
                    {"trials", 2},
                    {"seed", 4},
                    {"attention", "full"},
                    {"grid",
                     {cell("vt", 512, 1, 0.75), cell("vt", 900, 0, 0.25), cell("fwe", 512, 0, 0.25),
                      cell("fwe", 900, 0, 0)}},
                    {"by_length", {{{"length", 512}, {"score", 0.5}}, {{"length", 900}, {"score", 0.125}}}},
                    {"score", 0.3125}});
  const auto back = json.get<Retrieval>();
  CHECK(!back.cells[2].depth);
  CHECK(back.cells[2].task == "fwe");
  CHECK(to_json(back, options) == json);
  const Heatmap map = retrieval_heatmap(scores, "RULER");
  CHECK(map.row_label == "task");
  CHECK(map.value_label == "score");
  CHECK(map.row_names == options.tasks);
  CHECK(map.column_names == std::vector<std::string>{"512", "900"});
  CHECK(map.values == std::vector<double>{0.75, 0.25, 0.25, 0});
}

TEST_CASE("retrieval: cells together are the share of all keys, or the mean of the tasks' scores") {
  const RetrievalCell keys = together({{"passkey", 512, 0, 1, 1, 1}, {"passkey", 512, 0, 3, 0, 0}});
  CHECK(keys.score == 0.25);
  CHECK(keys.perfect == 1);
  CHECK(keys.trials == 4);
  CHECK(together({{"vt", 512, {}, 1, 1, 1}, {"fwe", 512, {}, 3, 0, 0}}).score == 0.5);
  CHECK_THROWS_AS(together({}), Error);
}

TEST_CASE("retrieval: one of five variables said is a fifth of RULER's score") {
  const Sayable one = sayable("vt", {.tokens = 1300}, 1);
  const auto cells = evaluate_retrieval(model_that_says(one.chain), tokenizer(),
                                        {.tasks = {"vt"}, .lengths = {1300}, .trials = 2, .seed = one.seed})
                         .cells;
  REQUIRE(cells.size() == 1);
  CHECK(!cells[0].depth);
  CHECK(cells[0].trials == 2);
  CHECK(cells[0].perfect == 0);
  CHECK(cells[0].score == doctest::Approx(0.2 / 2));  // one prompt's only
}

TEST_CASE("retrieval: several tasks are asked one after the other, each length of each") {
  const Sayable one = sayable("niah_single_1", {.tokens = 600}, 1);
  std::vector<std::string> heard;
  const auto hear = [&](int64_t done, int64_t total, const std::string& task) {
    heard.push_back(concat(done, " of ", total, " ", task));
  };
  const auto cells =
      evaluate_retrieval(
          model_that_says(one.chain), tokenizer(),
          {.tasks = {"niah_single_1", "passkey"}, .lengths = {700, 600}, .trials = 1, .seed = one.seed}, hear)
          .cells;
  CHECK(heard == std::vector<std::string>{"1 of 4 niah_single_1", "2 of 4 niah_single_1", "3 of 4 passkey",
                                          "4 of 4 passkey"});
  REQUIRE(cells.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(cells[i].task == (i < 2 ? "niah_single_1" : "passkey"));
    CHECK(cells[i].length == (i % 2 ? 600 : 700));
    CHECK(cells[i].perfect == (i == 1));
  }
}

TEST_CASE("retrieval: a needle said is a full score, and the answer ends there") {
  const Sayable one = sayable("niah_single_1", {.tokens = 600}, 1);
  const Llama model = model_that_says(one.chain);
  const RetrievalOptions options{.tasks = {"niah_single_1"}, .lengths = {600}, .trials = 1, .seed = one.seed};
  const auto cells = evaluate_retrieval(model, tokenizer(), options).cells;
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
    return error_of([&] { evaluate_retrieval(model, tokenizer(), options, [&](auto...) { ++heard; }); });
  };
  CHECK(error({.tasks = {"passkey"}, .lengths = {600, 700, 600}}).find("600 is given twice") !=
        std::string::npos);
  CHECK(error({.tasks = {"passkey"}, .lengths = {600}, .depths = {50, 50}}).find("50 is given twice") !=
        std::string::npos);
  CHECK(error({.tasks = {"passkey"}, .lengths = {600, 100}, .depths = {0}})
            .starts_with("passkey: a length of 100 is too short; the shortest prompt takes "));
  CHECK(error({.tasks = {"vt"}, .lengths = {2000}, .depths = {0}}).starts_with("vt: has no depth"));
  CHECK(error({.tasks = {"passkey"}}) == "lengths: is empty; give token counts, as in 512,1024");
  CHECK(error({.tasks = {"passkey"}, .lengths = {0}}) ==
        "lengths: 0: expected a number of tokens, 1 or more");
  CHECK(error({.tasks = {"passkey"}, .lengths = {600}, .depths = {-1}}) ==
        "depths: -1: expected percentages, 0 to 100");
  CHECK(error({.tasks = {"passkey"}, .lengths = {600}, .trials = 0}) == "trials 0: expected 1 to 2^24");
  CHECK(error({.tasks = {"pass"}, .lengths = {600}}).starts_with("tasks: unknown task 'pass'"));
  CHECK(error({.lengths = {600}}) == "tasks: names none");
  CHECK(error({.tasks = {"passkey", "vt"}, .lengths = {600}, .depths = {0}}) ==
        "depths: expected of one task alone");
  CHECK(heard == 0);
}

TEST_CASE("retrieval: BOS takes a token of the length") {
  RetrievalOptions options{.tasks = {"passkey"}, .lengths = {500}, .depths = {50}, .trials = 1};
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
