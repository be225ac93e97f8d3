// What a run learns of chats, completions, packed and mixed data: the real program against losses of single
// tokens. The model is stories260K.
#include "train/run/training_data.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "core/autograd.h"
#include "models/llama.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kModel = SCCA_SOURCE_DIR "/tests/data/stories260K";
using Words = std::vector<std::string>;

const std::string kAnswers =
    R"({"prompt": "Tim had a red ball. He gave it to", "completion": " Lily. She was happy."})"
    "\n"
    R"({"prompt": "Tim", "completion": " saw a big dog. The dog ran to the park. Tim ran too. They played all day."})"
    "\n";

struct Place {
  RunResult finetune(const std::string& run, const Words& more) const {
    Words all{"finetune", "--model", kModel,     "--out",   (folder / run).string(),
              "--lr",     "1e-9",    "--warmup", "0",       "--attention",
              "full",     "--rope",  "none",     "--train", "none"};
    all.insert(all.end(), more.begin(), more.end());
    if (std::ranges::find(more, "--steps") == more.end()) all.insert(all.end(), {"--steps", "1"});
    return run_scca(all);
  }
  double loss(const std::string& run) const {
    std::ifstream file(folder / run / "metrics.jsonl");
    std::string line;
    std::getline(file, line);
    return json::parse(line)["loss"].get<double>();
  }
  std::string data(const std::string& name, const std::string& content) const {
    write_file(folder / name, content);
    return folder / name;
  }
  TemporaryFolder folder;
};

/// Sum of the losses of the learned tokens of a document that stands alone, and how many there are.
std::pair<double, int64_t> losses_of(const EncodedDocument& document) {
  static const Llama model = Llama::load(kModel);
  Tensor ids = Tensor::of(document.ids, {1, static_cast<int64_t>(document.ids.size())});
  const std::vector<float> each = model.token_losses(ids).to_vector<float>();
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 1; i < document.ids.size(); ++i) {
    if (!document.learned.empty() && !document.learned[i]) continue;
    sum += each[i - 1];
    ++count;
  }
  return {sum, count};
}

/// The two documents of kAnswers.
std::vector<EncodedDocument> encoded(bool answers_only) {
  static const Tokenizer tokenizer(kModel);
  const DocumentEncoder encode(tokenizer, {.answers_only = answers_only});
  return {
      encode({.prompt = "Tim had a red ball. He gave it to", .completion = " Lily. She was happy."}),
      encode({.prompt = "Tim",
              .completion = " saw a big dog. The dog ran to the park. Tim ran too. They played all day."})};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("training data: the loss is that of the answers alone, or of all tokens") {
  const Place place;
  for (const bool answers : {true, false}) {
    const EncodedDocument document = encoded(answers)[0];
    const std::string context = std::to_string(document.ids.size());
    const std::string run = answers ? "answers" : "all";
    const RunResult result =
        place.finetune(run, {"--data", place.data("one.jsonl", kAnswers.substr(0, kAnswers.find('\n'))),
                             "--context", context, "--loss", run});
    REQUIRE_MESSAGE(result.code == 0, result.err);
    const auto [sum, count] = losses_of(document);
    CHECK(place.loss(run) == doctest::Approx(sum / static_cast<double>(count)).epsilon(1e-5));
    CHECK(contains(result.err, "--data: 1 prompts with completions"));
    CHECK(contains(result.err, "% of them learned") == answers);
  }
  CHECK(std::abs(place.loss("answers") - place.loss("all")) > 0.05);
}

TEST_CASE("training data: packed documents are learned as each alone") {
  const Place place;
  const std::vector<EncodedDocument> both = encoded(true);
  const std::string context = std::to_string(both[0].ids.size() + both[1].ids.size());
  const Words words{"--data", place.data("two.jsonl", kAnswers), "--context", context};
  const auto with = [&](Words more) {
    more.insert(more.end(), words.begin(), words.end());
    return more;
  };
  const RunResult result = place.finetune("packed", with({"--pack", "documents"}));
  REQUIRE_MESSAGE(result.code == 0, result.err);
  CHECK(contains(result.err, "documents apart"));
  REQUIRE(place.finetune("joined", words).code == 0);
  const auto [first, first_count] = losses_of(both[0]);
  const auto [second, second_count] = losses_of(both[1]);
  const double expected = (first + second) / static_cast<double>(first_count + second_count);
  CHECK(place.loss("packed") == doctest::Approx(expected).epsilon(1e-5));
  CHECK(std::abs(place.loss("joined") - expected) > 1e-3);
  // It may not change on resuming.
  const RunResult resumed = place.finetune("packed", with({"--resume", "--steps", "2"}));
  CHECK(resumed.code == 2);
  CHECK(contains(resumed.err, R"(--pack is "rows" but)"));
}

TEST_CASE("training data: a prediction weighs the same in whichever pass it is") {
  const Place place;
  const std::string one = kAnswers.substr(0, kAnswers.find('\n') + 1);
  // Rows of 32 tokens, of which some hold many answers and others few.
  const std::string data = place.data("rows.jsonl", kAnswers + one + one + one + kAnswers);
  const auto run = [&](const std::string& name, const std::string& rows) {
    return place.finetune(
        name, {"--data", data, "--context", "32", rows, "4", "--eval-data", data, "--eval-every", "1"});
  };
  REQUIRE(run("wide", "--batch").code == 0);
  REQUIRE(run("long", "--grad-accum").code == 0);
  CHECK(place.loss("wide") == doctest::Approx(place.loss("long")).epsilon(1e-5));
  std::ifstream wide(place.folder / "wide/metrics.jsonl"), narrow(place.folder / "long/metrics.jsonl");
  const json a = json::parse(wide), b = json::parse(narrow);
  for (const char* key : {"grad_norm", "eval_loss"})
    CHECK(a[key].get<double>() == doctest::Approx(b[key].get<double>()).epsilon(1e-4));
}

TEST_CASE("training data: chats through a template, a field by its name, and texts mixed by weight") {
  const Place place;
  const std::string chats = place.data(
      "chats.json",
      R"([{"instruction": "Who is Tim?", "input": "", "output": "Tim is a boy who has a big red ball."},
          {"messages": [{"role": "user", "content": "And Lily?"},
                        {"role": "assistant", "content": "Lily is his friend. They like to play."}]}])");
  const std::string body = place.data("body.jsonl", R"({"body": ")" + std::string(400, 'a') + "\"}\n");
  const Words short_rows{"--context", "24"};
  const auto run = [&](const std::string& name, Words more) {
    more.insert(more.end(), short_rows.begin(), short_rows.end());
    return place.finetune(name, more);
  };
  const RunResult templated = run("chats", {"--data", chats, "--chat-template", "llama2"});
  REQUIRE_MESSAGE(templated.code == 0, templated.err);
  CHECK(contains(templated.err, "--data: 2 chats"));
  const RunResult none = run("none", {"--data", chats});
  CHECK(none.code == 1);
  CHECK(contains(none.err, "chats.json: record 1: "));
  CHECK(contains(none.err, "--chat-template"));
  CHECK(run("field", {"--data", body}).code == 1);
  REQUIRE(run("field", {"--data", body, "--text-field", "body"}).code == 0);

  const std::string a = place.data("a.txt", std::string(300, 'b')),
                    b = place.data("b.txt", std::string(300, 'c'));
  const RunResult mixed = run("mixed", {"--data", a + "=0.25", b + "=0.75"});
  REQUIRE_MESSAGE(mixed.code == 0, mixed.err);
  const RunResult other = run("mixed", {"--data", a + "=0.5", b + "=0.5", "--resume", "--steps", "2"});
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--data: what it names differs"));
  CHECK(run("bad", {"--data", a + "=0.25", b}).code == 2);
}

TEST_CASE("training data: an evaluation reads chats and named fields too") {
  const Place place;
  const std::string chats = place.data(
      "chats.jsonl",
      R"({"messages": [{"role": "user", "content": "And Lily, who is she and what does she do?"}, )"
      R"({"role": "assistant", "content": "Lily is his friend. They play."}]})");
  const RunResult result = run_scca(
      {"eval", "--model", kModel, "--data", chats, "--chat-template", "llama2", "--context", "24", "--json"});
  CHECK(result.json()["tokens"].get<int64_t>() > 20);
}
