// The subcommands as a user runs them: stories260K against its references, JSON as documented, and every
// mistake one line and an exit code.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "core/device.h"
#include "tests/run_scca.h"
#include "train/evaluation/losses.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

json reference(const std::string& file) { return json::parse(read_text_file(kModel + "/" + file)); }

std::string joined(const json& ids) {
  std::string text;
  for (const json& id : ids) text += (text.empty() ? "" : ",") + std::to_string(id.get<int>());
  return text;
}

/// -log softmax(row)[target]
double loss_of(const json& row, int target) {
  double highest = -INFINITY, sum = 0;
  for (const json& x : row) highest = std::max(highest, x.get<double>());
  for (const json& x : row) sum += std::exp(x.get<double>() - highest);
  return highest + std::log(sum) - row[static_cast<size_t>(target)].get<double>();
}

const std::string kStory =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, "
    "she "
    "saw a big, red ball. She wanted to play with it, but it was too high.\nLily's mom said, \"Lily, let's "
    "go to "
    "the park.\" Lily was sad and didn't know what to do.";

/// The story as a file, and its ids as data: EOS at the end.
struct Story {
  Story() {
    std::ofstream(path) << kStory;
    ids = run_scca({"tokenize", "--model", kModel, "--text", kStory, "--json"}).json()["ids"];
    ids.push_back(2);
  }
  TemporaryFolder folder;
  std::string path = (folder / "story.txt").string();
  json ids;
};

/// The losses of tokens [from, to) of a window, by `scca logits --all`.
std::vector<double> window_losses(const json& ids, size_t begin, size_t end) {
  const json window(
      json::array_t(ids.begin() + static_cast<long>(begin), ids.begin() + static_cast<long>(end)));
  const json logits =
      run_scca({"logits", "--model", kModel, "--ids", joined(window), "--all", "--json"}).json();
  std::vector<double> losses;
  for (size_t i = 1; i < window.size(); ++i)
    losses.push_back(loss_of(logits["logits"][i - 1], window[i].get<int>()));
  return losses;
}

}  // namespace

TEST_CASE("commands: logits and loss of stories260K are the reference's") {
  const json expected = reference("reference_logits.json");
  const std::string ids = joined(expected["ids"]);
  const json all = run_scca({"logits", "--model", kModel, "--ids", ids, "--all", "--json"}).json();
  const json last = run_scca({"logits", "--model", kModel, "--ids", ids, "--json"}).json();
  REQUIRE(all["logits"].size() == 64);
  REQUIRE(last["logits"].size() == 1);
  for (const json& row : {all["logits"][63], last["logits"][0]}) {
    REQUIRE(row.size() == 512);
    double worst = 0;
    for (size_t v = 0; v < 512; ++v)
      worst = std::max(worst, std::abs(row[v].get<double>() - expected["last_logits"][v].get<double>()));
    CHECK(worst < 1e-4);
  }
  CHECK(std::abs(all["loss"].get<double>() - 0.6304749) < 1e-5);
  CHECK(last["loss"] == all["loss"]);
  for (size_t i = 0; i < 63; ++i) {
    CHECK(std::abs(loss_of(all["logits"][i], expected["ids"][i + 1].get<int>()) -
                   expected["per_position_cross_entropy"][i].get<double>()) < 1e-4);
  }
  const json one = run_scca({"logits", "--model", kModel, "--ids", "1", "--json"}).json();
  CHECK(one["loss"].is_null());
  CHECK(one["logits"].size() == 1);
}

TEST_CASE("commands: ids with and without BOS, and back to text") {
  const json expected = reference("tok512_reference.json");
  int checked = 0;
  for (const json& sample : expected["cases"]) {
    const std::string text = sample["text"];
    if (text.find('\0') != std::string::npos || text.starts_with("-") || ++checked > 12) continue;
    CAPTURE(text);
    CHECK(run_scca({"tokenize", "--model", kModel, "--text", text, "--json"}).json() ==
          json{{"ids", sample["ids"]}});
    CHECK(run_scca({"tokenize", "--model", kModel, "--decode", joined(sample["ids"]), "--json"}).json() ==
          json{{"text", sample["decoded"]}});
  }
  CHECK(checked > 5);
  CHECK(run_scca({"tokenize", "--model", kModel, "--text", "Hello", "--bos", "on", "--json"}).json()["ids"] ==
        json{1, 346, 306, 414});
  CHECK(run_scca({"tokenize", "--model", kModel, "--text", "Hello"}).out == "346,306,414\n");
  CHECK(run_scca({"tokenize", "--model", kModel, "--decode", "346,306,414"}).out == "Hello\n");
}

TEST_CASE("commands: greedy generation is the reference's, token by token") {
  const json expected = reference("reference_logits.json");
  const json made = run_scca({"generate", "--model", kModel, "--bos", "on", "--prompt", "", "--max-tokens",
                              "256", "--temperature", "0", "--json"})
                        .json();
  json ids = made["prompt_ids"];
  for (const json& id : made["ids"]) ids.push_back(id);
  CHECK(ids == expected["greedy_ids_from_bos"]);
  const std::string text = made["text"], story = expected["greedy_text"];
  CHECK(text.starts_with(story));
}

TEST_CASE("commands: sampling follows the seed, and streamed text is the same") {
  const std::vector<std::string> flags{"generate", "--model",      kModel, "--prompt",
                                       "Lily",     "--max-tokens", "40"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), flags.begin(), flags.end());
    return run_scca(more);
  };
  const auto made = [&](const std::string& seed) {
    json all = with({"--seed", seed, "--json"}).json();
    return json{all["ids"], all["text"]};  // the others say how fast it was
  };
  const json a = made("1");
  CHECK(a == made("1"));
  CHECK(a != made("2"));
  CHECK(with({"--seed", "1"}).out == a[1].get<std::string>() + "\n");
}

TEST_CASE("commands: eval over windows is the sum of the logits' losses") {
  const Story story;
  const size_t count = story.ids.size(), context = 40;
  const json result =
      run_scca({"eval", "--model", kModel, "--data", story.path, "--context", "40", "--json"}).json();
  double sum = 0;
  int64_t tokens = 0;
  for (size_t begin = 0; begin + context <= count; begin += context) {
    for (const double loss : window_losses(story.ids, begin, begin + context)) sum += loss, ++tokens;
  }
  REQUIRE(tokens > 39);
  CHECK(result["tokens"] == tokens);
  CHECK(result["nll"].get<double>() == doctest::Approx(sum / static_cast<double>(tokens)).epsilon(1e-5));
  CHECK(result["perplexity"].get<double>() == doctest::Approx(std::exp(result["nll"].get<double>())));
  REQUIRE(result["by_position"].size() == 1);
  CHECK(result["by_position"][0] == json{{"from", 0}, {"to", 256}, {"nll", result["nll"]}});
  CHECK(result.size() == 4);
}

TEST_CASE("commands: sliding eval is a plain loop over windows") {
  const Story story;
  const size_t count = story.ids.size(), context = 40, stride = 20;
  const json result = run_scca({"eval", "--model", kModel, "--data", story.path, "--context", "40", "--mode",
                                "sliding", "--json"})
                          .json();
  double sum = 0;
  for (size_t begin = 0, scored = 1; scored < count; begin += stride) {
    const size_t end = std::min(begin + context, count);
    const std::vector<double> losses = window_losses(story.ids, begin, end);
    for (; scored < end; ++scored) sum += losses[scored - begin - 1];
  }
  CHECK(result["tokens"] == count - 1);
  CHECK(result["nll"].get<double>() == doctest::Approx(sum / static_cast<double>(count - 1)).epsilon(1e-5));
}

TEST_CASE("commands: eval's flags choose the tokens") {
  const Story story;
  const auto eval = [&](std::vector<std::string> more) {
    std::vector<std::string> flags{"eval", "--model", kModel, "--data", story.path, "--json"};
    flags.insert(flags.end(), more.begin(), more.end());
    return run_scca(flags).json();
  };
  CHECK(eval({"--context", "40", "--max-tokens", "81"})["tokens"] == 78);
  CHECK(eval({"--context", "40", "--max-tokens", "79"})["tokens"] == 39);
  CHECK(eval({"--context", "40", "--max-tokens", "81", "--stride", "10"})["tokens"] == 5 * 39);
  const json bos = eval({"--context", "40", "--max-tokens", "40", "--bos", "on"});
  CHECK(bos["nll"] != eval({"--context", "40", "--max-tokens", "40"})["nll"]);
  CHECK(eval({"--context", "40", "--attention", "window(chunk=4)"})["nll"] !=
        eval({"--context", "40"})["nll"]);
  CHECK(eval({"--context", "40", "--rope", "linear", "--rope-factor", "2"})["nll"] !=
        eval({"--context", "40"})["nll"]);
}

TEST_CASE("commands: beyond the pretrained length there is a warning and a result") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 6; ++i) text += kStory + "\n";
  write_file(folder / "long.txt", text);
  const RunResult result = run_scca({"eval", "--model", kModel, "--data", (folder / "long.txt").string(),
                                     "--context", "600", "--max-tokens", "600", "--json"});
  CHECK(result.code == 0);
  CHECK(result.err.find("warning: 600 tokens are more than the 512") != std::string::npos);
  CHECK(result.json()["by_position"].size() == 3);
  const RunResult stretched =
      run_scca({"eval", "--model", kModel, "--data", (folder / "long.txt").string(), "--context", "600",
                "--rope", "linear", "--max-tokens", "600", "--json"});
  CHECK(stretched.err.find("warning") == std::string::npos);
}

TEST_CASE("commands: compare pairs two evaluations of the same data") {
  const Story story;
  const auto losses = [&](const std::string& name, std::vector<std::string> more) {
    const std::string file = (story.folder / name).string();
    more.insert(more.begin(),
                {"eval", "--model", kModel, "--data", story.path, "--save-losses", file, "--json"});
    return std::pair{file, run_scca(more).json()};
  };
  const auto [full, full_result] = losses("full", {"--context", "30"});
  const auto [window, window_result] =
      losses("window", {"--context", "30", "--attention", "window(chunk=3)"});
  const auto [other, other_result] = losses("other", {"--context", "30", "--max-tokens", "90"});
  const auto [shorter, shorter_result] = losses("shorter", {"--context", "20"});
  const json result = run_scca({"compare", window, full, "--json"}).json();
  CHECK(result["nll_a"].get<double>() == doctest::Approx(window_result["nll"].get<double>()).epsilon(1e-9));
  CHECK(result["nll_b"].get<double>() == doctest::Approx(full_result["nll"].get<double>()).epsilon(1e-9));
  CHECK(result["difference"].get<double>() ==
        doctest::Approx(result["nll_a"].get<double>() - result["nll_b"].get<double>()).epsilon(1e-6));
  CHECK(result["difference"].get<double>() > 0);
  CHECK(result["standard_error"].get<double>() > 0);
  CHECK(result["tokens"] == full_result["tokens"]);
  CHECK(result["clusters_are"] == "windows");  // of one document
  CHECK(result["clusters"] == result["windows"]);
  CHECK(result["p"].get<double>() < 1);
  const std::string many = (story.folder / "many.jsonl").string();
  std::ofstream jsonl(many);
  for (int i = 0; i < 6; ++i)
    jsonl << json{{"text", concat("Tim had ", i, " red balls and gave them to Lily.")}} << "\n";
  jsonl.close();
  for (const std::string bos : {"on", "windows"}) {
    std::vector<std::string> files;
    for (const std::string attention : {"full", "window(chunk=3)"}) {
      files.push_back((story.folder / (attention + bos)).string());
      REQUIRE(run_scca({"eval", "--model", kModel, "--data", many, "--save-losses", files.back(), "--context",
                        "8", "--bos", bos, "--attention", attention})
                  .code == 0);
    }
    const json documents = run_scca({"compare", files[1], files[0], "--json"}).json();
    CHECK(documents["clusters_are"] == "documents");
    CHECK(documents["clusters"] == 6);
    CHECK(run_scca({"compare", files[1], files[0]}).out.find("the standard error is over 6 documents") !=
          std::string::npos);
    if (bos == "on") continue;  // windows leave their first tokens out
    const std::vector<int32_t> document = read_losses(files[0]).document;
    for (const int32_t i : {1, 2, 3, 4, 5})
      CHECK(std::ranges::count(document, i) == std::ranges::count(document, 1));
  }
  CHECK(run_scca({"compare", full, full, "--json"}).json()["difference"] == 0);
  const RunResult data = run_scca({"compare", full, other});
  CHECK(data.code == 2);
  CHECK(data.err.find("tokens=") != std::string::npos);
  const RunResult context = run_scca({"compare", full, shorter});
  CHECK(context.code == 2);
  CHECK(context.err.find("--context was 30 for A and 20 for B") != std::string::npos);
}

TEST_CASE("commands: eval recall as JSON") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 12; ++i) text += kStory + std::to_string(i) + "\n";
  write_file(folder / "long.txt", text);
  const json result = run_scca({"eval", "recall", "--model", kModel, "--data", (folder / "long.txt").string(),
                                "--context", "256", "--passages", "2", "--json"})
                          .json();
  CHECK(result["passages"] == 2);
  CHECK(result["passage_tokens"] == 64);
  REQUIRE(result["distances"].size() == 3);
  CHECK(result["distances"][2]["distance"] == 192);
  for (const char* key : {"second", "second_error", "first", "first_error", "gain", "gain_error"})
    CHECK(result["distances"][0][key].is_number());
  CHECK(result["unrepeated"].is_number());
}

TEST_CASE("commands: info says what there is") {
  const json info = run_scca({"info", "--json"}).json();
  CHECK(info["version"] == SCCA_VERSION);
  CHECK(info["devices"][0] == "cpu");
  CHECK(info["matmul_gflops"].get<double>() > 0);
  CHECK(info["libraries"].contains("oneDNN"));
}

TEST_CASE("commands: every subcommand explains itself") {
  for (const std::string command : {"eval", "compare", "logits", "tokenize", "generate", "attention",
                                    "patterns", "info", "merge", "bench"}) {
    const RunResult help = run_scca({command, "--help"});
    CAPTURE(command);
    CHECK(help.code == 0);
    CHECK(help.err.empty());
    CHECK(help.out.find("scca " + command) != std::string::npos);
  }
  CHECK(run_scca({"eval", "recall", "--help"}).out.find("--passages") != std::string::npos);
}

TEST_CASE("commands: a mistake is one line that says what to do, and an exit code") {
  const Story story;
  write_file(story.folder / "empty.txt", "");
  const std::string empty = (story.folder / "empty.txt").string();
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string expected;  // in the line
  };
  const std::vector<Case> cases{
      {{"evla"}, 2, "unknown command 'evla'; did you mean eval?"},
      {{"logits", "--model", kModel, "--isd", "1"}, 2, "unknown flag --isd; did you mean --ids?"},
      {{"logits", "--model", "/nowhere", "--ids", "1"}, 1, "/nowhere"},
      {{"logits", "--model", kModel, "--ids", "1,512"},
       2,
       "--ids: id 512 is beyond the vocabulary; expected 0 to 511"},
      {{"logits", "--model", kModel, "--ids", "1,x"}, 2, "--ids: 'x' is not a token id"},
      {{"logits", "--model", kModel, "--ids", "1,"}, 2, "--ids: '' is not a token id"},
      {{"logits", "--model", kModel, "--ids", "1", "--dtype", "f8"}, 2, "--dtype"},
      {{"eval", "--data", story.path, "--context", "9"}, 2, "--model is required"},
      {{"eval", "--model", kModel, "--context", "9"}, 2, "--data is required"},
      {{"eval", "--model", kModel, "--data", story.path}, 2, "--context is required"},
      {{"eval", "--model", kModel, "--data", "/nowhere", "--context", "9"}, 1, "/nowhere"},
      {{"eval", "--model", kModel, "--data", empty, "--context", "9"}, 1, "empty"},
      {{"eval", "--model", kModel, "--data", story.path, "--context", "1"},
       2,
       "--context 1: expected at least 2"},
      {{"eval", "--model", kModel, "--data", story.path, "--context", "999"},
       1,
       "fewer than the context of 999"},
      {{"eval", "--model", kModel, "--data", story.path, "--context", "many"}, 2, "--context"},
      {{"eval", "--model", kModel, "--data", story.path, "--context", "9", "--mode", "rolling"}, 2, "--mode"},
      {{"eval", "--model", kModel, "--data", story.path, "--context", "9", "--stride", "9", "--mode",
        "sliding"},
       2,
       "--stride 9"},
      {{"eval", "recall", "--model", kModel, "--data", story.path, "--context", "64"}, 2, "--context 64"},
      {{"eval", "--model", kModel, "--adapter", "/nowhere", "--data", story.path, "--context", "9"},
       1,
       "/nowhere"},
      {{"compare", story.path, story.path}, 1, "story.txt"},
      {{"patterns", "full", "--tokens", "0", "--heads", "2"}, 2, "--tokens 0"},
      {{"patterns", "full", "--tokens", "9"}, 2, "--heads"},
      {{"tokenize", "--model", kModel}, 2, "tokenize"},
      {{"tokenize", "--model", kModel, "--decode", "512"}, 2, "--decode: id 512"},
      {{"generate", "--model", kModel, "--prompt", ""}, 2, "--prompt: is empty"},
      {{"generate", "--model", kModel, "--prompt", "a", "--temperature", "-1"}, 2, "--temperature -1"},
      {{"merge", "--model", kModel, "--out", "/tmp"}, 2, "--out /tmp: is already there"},
      {{"bench", "--heads", "0"}, 2, "--heads 0"},
      {{"patterns", "full", "--tokens", "9", "--heads", "2147483647"}, 2, "expected at most 65536"},
      {{"patterns", "local(chunk=1)", "--tokens", "16m", "--heads", "2"}, 2, "expected at most 4194304"},
  };
  for (const Case& c : cases) {
    const RunResult result = run_scca(c.arguments);
    CAPTURE(c.expected);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(result.one_error_line());
    CHECK(result.err.find(c.expected) != std::string::npos);
  }
  // A spec is shown, with a caret under the place.
  const RunResult layers = run_scca({"patterns", "full@2000000000;local", "--tokens", "9", "--heads", "2"});
  CHECK(layers.code == 2);
  CHECK(layers.err.find("found layer 2000000000, expected 0 to 16383\n  full@2000000000;local\n") !=
        std::string::npos);
}

TEST_CASE("commands: files of a model that are broken are named") {
  const TemporaryFolder folder;
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.model"})
    std::filesystem::copy_file(kModel + "/" + name, folder / name);
  const auto logits = [&] {
    const RunResult result = run_scca({"logits", "--model", folder.path().string(), "--ids", "1"});
    CHECK(result.code == (result.err.empty() ? 0 : 1));
    return result.err;
  };
  CHECK(logits() == "");
  const std::string config = read_text_file(folder / "config.json");
  std::filesystem::resize_file(folder / "model.safetensors", 5000);
  CHECK(logits().find("model.safetensors") != std::string::npos);
  std::filesystem::remove(folder / "model.safetensors");
  CHECK(logits().find("model.safetensors") != std::string::npos);
  json changed = json::parse(config);
  changed["num_attention_heads"] = 7;
  write_file(folder / "config.json", changed.dump());
  CHECK(logits().find("config.json") != std::string::npos);
}

TEST_CASE("commands: --device cuda where there is none says why, on one line; auto goes on on the CPU") {
  if (why_unusable(Device::cuda).empty())
    return;  // tests/train/run/device_test.cpp is for machines with a device
  const std::vector<std::string> logits{"logits", "--model", kModel, "--ids", "1,2", "--device"};
  auto cuda = logits, automatic = logits;
  cuda.push_back("cuda");
  automatic.push_back("auto");
  const RunResult refused = run_scca(cuda);
  CHECK(refused.code == 1);
  CHECK(refused.err == "scca logits: --device cuda: " + why_unusable(Device::cuda) + "\n");
  CHECK(run_scca(automatic).code == 0);
}
