// scca plan-memory as a user meets it.
#include <doctest/doctest.h>

#include <fstream>

#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kConfigs = std::string(SCCA_SOURCE_DIR) + "/train/configs/llama-2-7b.json";
using Words = std::vector<std::string>;

Words plan(const Words& more) {
  Words all{"plan-memory", "--model-config", kConfigs, "--context", "8192", "--dtype", "bf16"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("plan-memory: LLaMA-2 7B") {
  const json all = run_scca(plan({"--json"})).json();
  // 32 blocks of four D x D and three D x F matrices and two norms; embedding, head, the last norm.
  const int64_t width = 4096, inner = 11008, words = 32000;
  CHECK(all["parameters"] ==
        32 * (4 * width * width + 3 * width * inner + 2 * width) + 2 * words * width + width);
  CHECK(all["learning"] == 32 * 4 * 2 * 8 * width + words * width + 65 * width);
  for (const char* key : {"checkpointing_on", "checkpointing_off"}) {
    int64_t sum = 0;
    for (const char* part : {"weights", "adapters", "optimizer", "gradients", "activations", "workspace"})
      sum += all[key][part].get<int64_t>();
    CHECK(all[key]["total"] == sum);
  }
  // bf16, but f32 where it learns
  CHECK(all["checkpointing_on"]["weights"] ==
        2 * all["parameters"].get<int64_t>() + 2 * (words * width + 65 * width));
  CHECK(all["checkpointing_on"]["total"] < all["checkpointing_off"]["total"]);
  CHECK(all["layers"] == 32);
  REQUIRE(all["cards"].size() >= 3);
  const auto kept = [&](size_t card) { return all["cards"][card]["checkpointing_auto"]["kept_layers"]; };
  CHECK(kept(0) == 0);
  CHECK(kept(1) > 0);  // 32 GB: more than nothing, less than all
  CHECK(kept(1) < 32);
  CHECK(kept(2) == 32);
  for (const json& card : all["cards"]) {
    for (const char* key : {"checkpointing_on", "checkpointing_off"}) {
      CHECK(card[key]["fits"] == (all[key]["total"] <= card["bytes"]));
      CHECK(card[key]["fits"] == (card[key]["longest_context"] >= 8192));
    }
    const json &chosen = card["checkpointing_auto"], &on = card["checkpointing_on"];
    CHECK(chosen["fits"] == on["fits"]);
    if (!on["fits"]) CHECK(chosen["kept_layers"] == 0);
  }
}

TEST_CASE("plan-memory: a table and bars; a folder; another device; cards of one's own") {
  const RunResult result = run_scca(plan({"--cards", "24,48"}));
  CHECK(result.code == 0);
  for (const char* text : {"6.74G parameters", "checkpointing off: ", "█", "24 GB", "48 GB",
                           "longest context", "auto keeps", " of 32\n"})
    CHECK(result.out.find(text) != std::string::npos);
  const std::string folder = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
  const json small =
      run_scca({"plan-memory", "--model-config", folder, "--context", "64", "--device", "cpu", "--json"})
          .json();
  CHECK(small["device"] == "cpu");
  const json no_lora = run_scca({"plan-memory", "--model-config", folder, "--context", "64", "--lora-rank",
                                 "0", "--train", "all", "--json"})
                           .json();
  CHECK(no_lora["learning"] == no_lora["parameters"]);
  CHECK(no_lora["checkpointing_on"]["adapters"] == 0);
}

TEST_CASE("plan-memory: mistakes are one line") {
  TemporaryFolder folder;
  const std::string broken = (folder / "broken.json").string();
  std::ofstream(broken) << "{\"vocab_size\": 32000,";
  const auto expect = [](const Words& words, int code, const char* said) {
    const RunResult result = run_scca(words);
    CAPTURE(result.err);
    CHECK(result.code == code);
    CHECK(result.one_error_line());
    CHECK(result.err.find(said) != std::string::npos);
  };
  expect(plan({"--contxt", "5"}), 2, "did you mean --context");
  expect({"plan-memory", "--model-config", kConfigs}, 2, "--context is required");
  expect({"plan-memory", "--model-config", kConfigs, "--context", "1"}, 2,
         "--context 1: expected a number from 2");
  expect({"plan-memory", "--model-config", "nowhere.json", "--context", "64"}, 1, "nowhere.json");
  expect({"plan-memory", "--model-config", folder.path().string(), "--context", "64"}, 1, "config.json");
  expect({"plan-memory", "--model-config", broken, "--context", "64"}, 1, "broken.json");
  expect(plan({"--train", "emebd"}), 2, "emebd");
  expect(plan({"--lora-targets", "q,gate,quack"}), 2,
         "--lora-targets: no layer is called 'quack'; expected some of q_proj,k_proj,");
  expect(plan({"--lora-rank", "-1"}), 2, "--lora-rank: found '-1'");
  expect(plan({"--lora-rank", "0", "--train", "none"}), 2, "nothing learns");
  expect(plan({"--cards", "0"}), 2, "--cards 0");
  expect(plan({"--device", "tpu"}), 2, "--device");
}

TEST_CASE("plan-memory: sizes beyond all reason are refused, not counted wrong") {
  const TemporaryFolder folder;
  const std::string file = (folder / "config.json").string();
  const auto expect = [&](const json& changes, const Words& more, int code, const std::string& said) {
    json config = json::parse(read_text_file(kConfigs));
    config.update(changes);
    std::ofstream(file) << config.dump();
    Words words{"plan-memory", "--model-config", file, "--context", "8k"};
    words.insert(words.end(), more.begin(), more.end());
    const RunResult result = run_scca(words);
    CAPTURE(result.err);
    CHECK(result.code == code);
    CHECK(result.one_error_line());
    CHECK(result.err.find(said) != std::string::npos);
  };
  expect({{"num_hidden_layers", 2147483647}}, {}, 1,
         "num_hidden_layers is 2147483647, expected at most 16384");
  expect({{"vocab_size", 2147483647}, {"hidden_size", 2147483646}, {"head_dim", 2}}, {}, 1,
         "parameters, expected at most");
  expect({{"intermediate_size", 2147483647}, {"num_hidden_layers", 16384}}, {}, 1,
         "expected at most 2.81475e+14; is one");
  expect({{"num_hidden_layers", 16384}}, {"--batch", "65536"}, 2, "more than 10^18 bytes");
  expect(json::object(), {"--lora-rank", "65537"}, 2,
         "--lora-rank: found '65537', expected a whole number from 0 to 65536");
  // A large one is counted right: no part is negative.
  json large = json::parse(read_text_file(kConfigs));
  large.update({{"num_hidden_layers", 1024}});
  std::ofstream(file) << large.dump();
  const json all =
      run_scca({"plan-memory", "--model-config", file, "--context", "16m", "--json", "--cards", "1048576"})
          .json();
  for (const char* key : {"checkpointing_on", "checkpointing_off"})
    for (const char* part :
         {"weights", "adapters", "optimizer", "gradients", "activations", "workspace", "total"})
      CHECK(all[key][part] >= 0);
}
