// scca attention as a user runs it, on stories260K: figures, pictures, and what is refused.
#include <doctest/doctest.h>

#include <cmath>

#include "models/attention_weights.h"
#include "tests/picture_check.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

std::vector<std::string> ask(std::vector<std::string> more) {
  std::vector<std::string> arguments{"attention", "--model", kModel, "--bos", "on"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("attention command: the weights of the head that is named, and null where nothing is seen") {
  const std::string text = "Once upon a time there was a girl";
  const json found = run_scca(ask({"--text", text, "--layer", "3", "--head", "5", "--attention",
                                   "window(chunk=4)", "--json"}))
                         .json();
  CHECK(found["layer"] == 3);
  CHECK(found["head"] == 5);
  CHECK(found["attention"] == "window(chunk=4)");
  CHECK(found["pieces"][0] == "<s>");
  CHECK(found["pieces"][1] == "▁Once");
  const auto ids = found["ids"].get<std::vector<int32_t>>();
  CHECK(found["ids"] ==
        run_scca({"tokenize", "--model", kModel, "--text", text, "--bos", "on", "--json"}).json()["ids"]);
  const auto expected =
      attention_weights(Llama::load(kModel), ids, 3, 5, parse_attention_spec("window(chunk=4)"));
  REQUIRE(found["weights"].size() == ids.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const json& weight = found["weights"][i / ids.size()][i % ids.size()];
    CHECK(weight.is_null() == std::isnan(expected[i]));
    if (!weight.is_null()) CHECK(weight.get<double>() == doctest::Approx(expected[i]).epsilon(1e-6));
  }
}

TEST_CASE("attention command: three shares that can be counted") {
  // In chunks of one token every query sees itself alone; under scca-flow's second head the chunk before.
  const RunResult alone =
      run_scca(ask({"--text", "Once upon", "--layer", "0", "--head", "0", "--attention", "local(chunk=1)"}));
  CHECK(alone.out ==
        "a query's weight on     mean\n"
        "the first token        0.0 %\n"
        "the token before it    0.0 %\n"
        "itself               100.0 %\n");
  const RunResult before =
      run_scca(ask({"--text", "Once", "--layer", "0", "--head", "1", "--attention", "scca-flow(chunk=1)"}));
  CHECK(before.out.find("the first token      100.0 %") != std::string::npos);  // of the two tokens <s>, Once
  CHECK(before.out.find("the token before it  100.0 %") != std::string::npos);
  const RunResult one = run_scca(ask({"--text", "", "--layer", "0", "--head", "0"}));
  CHECK(one.code == 0);
  CHECK(one.out.find("itself                  -\n") !=
        std::string::npos);  // no query stands behind the first
}

TEST_CASE("attention command: pictures of few and of many tokens") {
  const TemporaryFolder folder;
  const auto picture = [&](const std::string& text) {
    const std::string path = (folder / "weights.png").string();
    const RunResult result = run_scca(ask({"--text", text, "--layer", "1", "--head", "2", "--png", path}));
    CHECK(result.code == 0);
    CHECK(result.err.find("picture: " + path) != std::string::npos);
    return PngPixels(path);
  };
  const PngPixels few = picture("Once upon a time");
  // half of the square is what nobody sees: 5 x 5 tokens in cells of 28 pixels, of which one is the gap
  CHECK(few.count({238, 238, 238}) >= 10 * 27 * 27);
  CHECK(few.count({238, 238, 238}) < 10 * 27 * 27 + 100);  // and some pixels of letters
  std::string text;
  for (int i = 0; i < 60; ++i) text += "Once upon a time ";
  const PngPixels many = picture(text);
  CHECK(many.width > 700);
  CHECK(many.width < 1400);
}

TEST_CASE("attention command: what is refused, in one line") {
  const TemporaryFolder folder;
  const std::string far = (folder / "long.txt").string(), nothing = (folder / "empty.txt").string();
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "Once upon ";
  write_file(far, text);
  write_file(nothing, "");
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string expected;
  };
  const std::vector<Case> cases{
      {{"--text", "a", "--layer", "5", "--head", "0"}, 2, "--layer 5: the model has layers 0 to 4"},
      {{"--text", "a", "--layer", "0", "--head", "8"}, 2, "--head 8: the model has query heads 0 to 7"},
      {{"--text", "a", "--layer", "-1", "--head", "0"}, 2, "--layer"},
      {{"--text", "a", "--head", "0"}, 2, "--layer is required"},
      {{"--layer", "0", "--head", "0"}, 2, "--text or --file is required"},
      {{"--text", "a", "--file", far, "--layer", "0", "--head", "0"}, 2, "--file"},
      {{"--file", far, "--layer", "0", "--head", "0"}, 2, "tokens, expected at most 1024"},
      {{"--text", "a", "--layer", "0", "--head", "0", "--attention", "full@9;local"}, 2, "layer 9"},
      {{"--text", "a", "--layer", "0", "--head", "0", "--png", "/nowhere/a.png"}, 1, "/nowhere/a.png"},
  };
  for (const Case& c : cases) {
    const RunResult result = run_scca(ask(c.arguments));
    CAPTURE(c.expected);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(result.out.empty());
    CHECK(result.err.find(c.expected) != std::string::npos);
  }
  const RunResult empty = run_scca(
      {"attention", "--model", kModel, "--bos", "off", "--file", nothing, "--layer", "0", "--head", "0"});
  CHECK(empty.code != 0);
  CHECK(empty.err.find("empty") != std::string::npos);
}
