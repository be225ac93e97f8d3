// BOS: what the flag and the tokenizer's files make of it.
#include "train/data/bos.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/train/workplace.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

namespace {

/// stories260K with a tokenizer_config.json of its own.
struct Model {
  explicit Model(const std::string& tokenizer_config) {
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.model"})
      fs::copy_file(fs::path(kModel) / name, folder / name);
    if (!tokenizer_config.empty()) write_file(folder / "tokenizer_config.json", tokenizer_config);
  }
  std::string path() const { return folder.path().string(); }
  TemporaryFolder folder;
};

nlohmann::json prompt_ids(const Model& model, const Words& more) {
  Words words{"generate",     "--model", model.path(),    "--prompt", "Once",
              "--max-tokens", "1",       "--temperature", "0",        "--json"};
  words.insert(words.end(), more.begin(), more.end());
  return run_scca(words).json()["prompt_ids"];
}

}  // namespace

TEST_CASE("bos: auto asks the tokenizer's files, on and off do not") {
  const Model silent(""), asks(R"({"add_bos_token": true})"), denies(R"({"add_bos_token": false})");
  const nlohmann::json without = prompt_ids(silent, {"--bos", "off"});
  nlohmann::json with = without;
  with.insert(with.begin(), 1);
  CHECK(prompt_ids(silent, {}) == without);
  CHECK(prompt_ids(denies, {}) == without);
  CHECK(prompt_ids(asks, {}) == with);
  CHECK(prompt_ids(asks, {"--bos", "off"}) == without);
  CHECK(prompt_ids(denies, {"--bos", "on"}) == with);
  CHECK(run_scca({"generate", "--model", asks.path(), "--prompt", "Once", "--bos", "yes"}).code == 2);
}

TEST_CASE("bos: before every window of an evaluation") {
  CHECK(bos_before_windows({5, 6, 7, 8, 9}, 3, 1) == std::vector<int32_t>{1, 5, 6, 1, 7, 8, 1, 9});
  CHECK_THROWS(bos_before_windows({5}, 1, 1));
  const Workplace place;
  const auto eval = [&](const Words& more) {
    Words words{"eval",      "--model", kModel,         "--data", place.data,
                "--context", "33",      "--max-tokens", "32",     "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run_scca(words);
  };
  // One window of BOS and 32 tokens is the one document with BOS before it.
  const RunResult windows = eval({"--bos", "windows"});
  CHECK(contains(windows.err, "BOS before every window: yes\n"));
  const RunResult document = run_scca({"eval", "--model", kModel, "--data", place.data, "--context", "33",
                                       "--max-tokens", "33", "--bos", "on", "--json"});
  CHECK(contains(document.err, "BOS before every document: yes\n"));
  CHECK(windows.json()["tokens"] == 32);
  CHECK(windows.json()["nll"] == document.json()["nll"]);
  CHECK(eval({"--bos", "windows", "--mode", "sliding"}).code == 2);
  CHECK(eval({"--bos", "windows", "--stride", "8"}).code == 2);
}

TEST_CASE("bos: training puts it before every document, and says so") {
  const Workplace place;
  const Model asks(R"({"add_bos_token": true})");
  const RunResult off = run_scca(place.finetune("off", 1, {"--attention", "scca-fixed(chunk=4096)"}));
  CHECK(contains(off.err, "BOS before every document: no (auto)\n"));
  CHECK(contains(off.err, "its chunk of 4096 tokens is longer than the 64 there are"));
  const RunResult on = run_scca(with(place.finetune("on", 1), "--model", asks.path()));
  CHECK(contains(on.err, "BOS before every document: yes (auto)\n"));
  CHECK(!contains(on.err, "is longer than"));
  const RunResult forced = run_scca(place.finetune("forced", 1, {"--bos", "on"}));
  REQUIRE(forced.code == 0);
  CHECK(place.adapter("on") == place.adapter("forced"));
}
