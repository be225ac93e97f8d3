// finetune's and pretrain's own flags as a user gives them. The model is stories260K.
#include "train/run/finetune.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
using Words = std::vector<std::string>;

struct Workplace {
  Workplace() {
    std::ofstream file(data);
    for (int i = 0; i < 200; ++i)
      file << "Tim had " << i << " red balls. He gave " << i % 7 << " of them to Lily.\n";
  }

  std::string path(const std::string& run) const { return (folder / run).string(); }

  RunResult finetune(const std::string& run, const Words& more) const {
    Words all{"finetune", "--model",   kModel, "--data",  data, "--out",
              path(run),  "--context", "64",   "--steps", "3"};
    all.insert(all.end(), more.begin(), more.end());
    return run_scca(all);
  }

  json file(const std::string& path) const { return json::parse(read_text_file(folder / path)); }

  std::vector<double> losses(const std::string& run) const {
    std::vector<double> all;
    std::ifstream file(folder / run / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) all.push_back(json::parse(line)["loss"].get<double>());
    return all;
  }

  TemporaryFolder folder;
  std::string data = (folder / "data.txt").string();
};

}  // namespace

TEST_CASE(
    "finetune: --lora-rs scales by alpha / sqrt(rank), is written down, and may not change on resuming") {
  const Workplace place;
  const Words small{"--lora-rank", "4", "--lr", "1e-2", "--warmup", "0"};
  const auto with = [&](Words more) {
    more.insert(more.end(), small.begin(), small.end());
    return more;
  };
  REQUIRE(place.finetune("rs", with({"--lora-rs", "--lora-alpha", "16"})).code == 0);
  REQUIRE(place.finetune("plain", with({"--lora-alpha", "16"})).code == 0);
  REQUIRE(place.finetune("double", with({"--lora-alpha", "32"})).code == 0);
  // 16 / sqrt(4) is 32 / 4: the same bits.
  CHECK(place.losses("rs").size() == 3);
  CHECK(place.losses("rs") == place.losses("double"));
  CHECK(place.losses("rs") != place.losses("plain"));
  CHECK(place.file("rs/config.json")["lora_rs"] == true);
  CHECK(place.file("plain/config.json")["lora_rs"] == false);
  CHECK(place.file("rs/adapter/adapter_config.json")["use_rslora"] == true);
  CHECK(place.file("rs/adapter/adapter_config.json")["lora_alpha"] == 16);
  CHECK(place.file("plain/adapter/adapter_config.json")["use_rslora"] == false);
  const RunResult resumed = place.finetune("rs", with({"--resume", "--lora-alpha", "16"}));
  CHECK(resumed.code == 2);
  CHECK(resumed.err.find("--lora-rs is false but") != std::string::npos);
  // What evaluates the adapter scales it as it was trained.
  const auto logits = [&](const std::string& run) {
    return run_scca({"logits", "--model", kModel, "--adapter", place.path(run + "/adapter"), "--ids", "1,2,3",
                     "--json"})
        .json();
  };
  CHECK(logits("rs") == logits("double"));
  CHECK(logits("rs") != logits("plain"));
}

TEST_CASE("finetune: 8k is a number of tokens here too") {
  const Workplace place;
  REQUIRE(
      run_scca({"finetune", "--model", kModel, "--data", place.data, "--out", place.path("run"), "--context",
                "0.125k", "--steps", "1", "--eval-tokens", "1k", "--attention", "local(chunk=0.0625k)"})
          .code == 0);
  const json config = place.file("run/config.json");
  CHECK(config["context"] == 128);
  CHECK(config["eval_tokens"] == 1024);
}

TEST_CASE("finetune: numbers whose products overflow are refused before anything is made") {
  const Workplace place;
  for (const Words& more : {Words{"--batch", "9223372036854775807"},
                            {"--batch", "2147483647"},
                            {"--batch", "1000000", "--grad-accum", "2147483647", "--steps", "2147483647"},
                            {"--lora-rank", "2147483647"},
                            {"--seed", "-1"},
                            {"--seed", "99999999999999999999"}}) {
    Words words{"finetune", "--model",         kModel,      "--data", place.data,
                "--out",    place.path("run"), "--context", "64"};
    words.insert(words.end(), more.begin(), more.end());
    const RunResult result = run_scca(words);
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.one_error_line());
    CHECK(result.err.find(more[0]) != std::string::npos);
    CHECK(!std::filesystem::exists(place.path("run")));
  }
}

TEST_CASE("finetune, pretrain: what cannot fit is refused before it is taken") {
  const Workplace place;
  json config = place.file(kModel + "/config.json");
  config.update({{"hidden_size", 8192}, {"intermediate_size", 28672}, {"num_hidden_layers", 16000}});
  config["head_dim"] = 128;
  const std::string file = place.path("config.json");
  std::ofstream(file) << config.dump();
  const RunResult pretrain =
      run_scca({"pretrain", "--config", file, "--tokenizer", kModel + "/tokenizer.model", "--data",
                place.data, "--out", place.path("run"), "--context", "64"});
  CAPTURE(pretrain.err);
  CHECK(pretrain.code == 1);
  CHECK(pretrain.one_error_line());
  CHECK(pretrain.err.find("out of memory: training needs ") != std::string::npos);
  const RunResult rows = place.finetune("run", {"--batch", "33554431"});
  CHECK(rows.code == 1);
  CHECK(rows.err.find("out of memory: training needs ") != std::string::npos);
  CHECK(!std::filesystem::exists(place.path("run")));
}
