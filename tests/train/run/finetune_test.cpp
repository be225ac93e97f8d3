// finetune's and pretrain's own flags as a user gives them. The model is stories260K.
#include "train/run/finetune.h"

#include <doctest/doctest.h>

#include <filesystem>
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

namespace {

/// stories260K as a Mistral with a sliding window of 9 tokens: its weights are one's.
std::string windowed_model(const Workplace& place) {
  namespace fs = std::filesystem;
  const fs::path folder = place.folder / "mistral";
  fs::create_directory(folder);
  for (const char* name : {"model.safetensors", "tokenizer.model"})
    fs::copy_file(kModel + "/" + name, folder / name);
  json config = json::parse(read_text_file(kModel + "/config.json"));
  config.update(
      {{"model_type", "mistral"}, {"architectures", {"MistralForCausalLM"}}, {"sliding_window", 9}});
  write_file(folder / "config.json", config.dump());
  return folder.string();
}

bool says(const RunResult& run, const std::string& what) { return run.err.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("finetune: a model's own sliding window is what it trains under, unless told otherwise") {
  const Workplace place;
  const std::string model = windowed_model(place);
  const auto finetune = [&](const std::string& run, Words more) {
    more.insert(more.end(), {"--model", model, "--steps", "20", "--lora-rank", "2"});
    Words all{"finetune", "--data", place.data, "--out", place.path(run), "--context", "64"};
    all.insert(all.end(), more.begin(), more.end());
    return run_scca(all);
  };
  const RunResult own = finetune("own", {});
  CAPTURE(own.err);
  REQUIRE(own.code == 0);
  CHECK(says(own, "; attention window(chunk=9), the model's own; "));
  CHECK(says(own, "loss under window(chunk=9) on "));
  CHECK(place.file("own/config.json")["attention"] == "window(chunk=9)");
  CHECK(place.file("own/config.json")["derived"]["attention"] == "window(chunk=9)");
  CHECK(place.file("own/adapter/config.json")["sliding_window"] == 9);
  CHECK(read_text_file(place.folder / "own/adapter/README.md")
            .find("`window(chunk=9)` in training; window(chunk=9) to use it") != std::string::npos);
  const RunResult given = finetune("given", {"--attention", "window(chunk=9)"});
  CHECK(!says(given, "the model's own;"));
  CHECK(place.losses("given") == place.losses("own"));
  CHECK(!place.file("given/config.json")["derived"].contains("attention"));
  REQUIRE(finetune("other", {"--attention", "scca-fixed"}).code == 0);
  CHECK(place.losses("other") != place.losses("own"));
  CHECK(place.file("other/config.json")["attention"] == "scca-fixed");
  // It goes on as it began, and its settings are another model's where they followed from this one.
  CHECK(finetune("own", {"--resume"}).code == 0);
  CHECK(run_scca({"finetune", "--config", place.path("own/config.json"), "--model", kModel, "--out",
                  place.path("llama"), "--steps", "1"})
            .code == 0);
  CHECK(place.file("llama/config.json")["attention"] == "scca-fixed");
  const RunResult none = finetune("none", {"--attention", ""});
  CHECK(none.code == 2);
  CHECK(says(none, "names no pattern; see scca patterns"));
}

TEST_CASE("finetune: commands that ask a model follow its own sliding window too, and say so") {
  const Workplace place;
  const std::string model = windowed_model(place);
  std::string ids = "1";
  for (int i = 0; i < 40; ++i) ids += "," + std::to_string(300 + 5 * i % 200);
  const auto without_speeds = [](nlohmann::json figures) {
    if (!figures.is_object()) return figures;
    for (const char* speed : {"prompt_tokens_per_s", "answer_tokens_per_s"}) figures.erase(speed);
    return figures;
  };
  const auto same = [&](Words command) {
    command.insert(command.end(), {"--model", model, "--json"});
    CAPTURE(command[0]);
    const RunResult own = run_scca(command);
    Words with = command;
    with.insert(with.end(), {"--attention", "window(chunk=9)"});
    const RunResult given = run_scca(with);
    with.back() = "full";
    CHECK(says(own, "attention: window(chunk=9), the model's own\n"));
    CHECK(!says(given, "the model's own"));
    CHECK(without_speeds(own.json()) == without_speeds(given.json()));
    CHECK(without_speeds(own.json()) != without_speeds(run_scca(with).json()));
  };
  same({"logits", "--ids", ids});
  same({"generate", "--prompt", "Once upon a time there was a little girl named Lily", "--max-tokens", "40",
        "--temperature", "0"});
  same({"eval", "--data", place.data, "--context", "64", "--max-tokens", "640"});
  same({"eval", "recall", "--data", place.data, "--context", "300", "--passages", "1"});
  same({"eval", "passkey", "--lengths", "400", "--depths", "50", "--trials", "1"});
  const auto peak = [&](const Words& more) {
    Words all{"plan-memory", "--model-config", model, "--context", "64", "--device", "cpu", "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return run_scca(all).json()["checkpointing_on"]["flops"];
  };
  CHECK(peak({}) == peak({"--attention", "window(chunk=9)"}));
  CHECK(peak({}) != peak({"--attention", "scca-fixed"}));
}
