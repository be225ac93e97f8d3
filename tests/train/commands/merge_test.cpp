// scca merge, as a user runs it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {
const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
}

TEST_CASE("merge: a merged folder says what the adapter on its base says") {
  const std::string base = std::string(SCCA_SOURCE_DIR) + "/tests/golden/gqa_tied";
  const TemporaryFolder folder;
  const std::string out = (folder / "merged").string(), half = (folder / "half").string();
  const auto logits = [](const std::string& model, std::vector<std::string> more) {
    more.insert(more.begin(), {"logits", "--model", model, "--ids", "1,2,3,4,5,6,7", "--all", "--json"});
    return run_scca(more).json()["logits"];
  };
  CHECK(run_scca({"merge", "--model", base, "--adapter", base + "/adapter", "--out", out}).code == 0);
  const json merged = logits(out, {}), apart = logits(base, {"--adapter", base + "/adapter"});
  double worst = 0;
  for (size_t row = 0; row < 7; ++row) {
    for (size_t v = 0; v < merged[row].size(); ++v)
      worst = std::max(worst, std::abs(merged[row][v].get<double>() - apart[row][v].get<double>()));
  }
  CHECK(worst < 1e-4);
  CHECK(merged != logits(base, {}));
  CHECK(run_scca({"merge", "--model", base, "--adapter", base + "/adapter", "--out", half, "--dtype", "bf16"})
            .code == 0);
  CHECK(json::parse(read_text_file(half + "/config.json"))["torch_dtype"] == "bfloat16");
  CHECK(std::filesystem::file_size(half + "/model.safetensors") <
        std::filesystem::file_size(out + "/model.safetensors"));
  const RunResult again = run_scca({"merge", "--model", base, "--adapter", base + "/adapter", "--out", out});
  CHECK(again.code == 2);
  CHECK(again.err.find("is already there") != std::string::npos);
  CHECK(run_scca(
            {"merge", "--model", kModel, "--adapter", base + "/adapter", "--out", (folder / "no").string()})
            .code == 1);
  CHECK(folder.names() == std::vector<std::string>{"half", "merged"});
}

TEST_CASE("merge: an empty name, as an unset variable leaves it, is misuse and touches nothing") {
  const TemporaryFolder folder;
  write_file(folder / "file", "theirs");
  std::filesystem::create_directories(folder / "inner" / "deep");
  const std::string there = folder.path().string();
  const std::vector<std::vector<std::string>> commands = {
      {"merge", "--model", kModel, "--out", ""},
      {"merge", "--model", kModel, "--adapter", "", "--out", "merged"},
      {"export", "--model", kModel, "--out", ""},
      {"prompts", "passkey", "--model", kModel, "--min-tokens", "200", "--max-tokens", "300", "--count", "2",
       "--out", ""},
      {"finetune", "--model", kModel, "--data", there, "--context", "64", "--out", ""},
      {"finetune", "--model", kModel, "--data", "", "--context", "64", "--out", "run"},
      {"pretrain", "--model-config", kModel + "/config.json", "--tokenizer", kModel, "--data", there,
       "--context", "64", "--out", ""},
      {"eval", "patterns", "--model", kModel, "--data", there, "--context", "64", "--out", ""},
      {"study", "--model", kModel, "--patterns", "full", "--data", there, "--eval-data", there, "--context",
       "64", "--out", ""}};
  for (const std::vector<std::string>& command : commands) {
    CAPTURE(command.front());
    const RunResult run = RunningScca(command, 0, [&] { (void)!chdir(there.c_str()); }).wait();
    CHECK(run.code == 2);
    CHECK(run.one_error_line());
    CHECK(run.err.find(" is empty, expected ") != std::string::npos);
  }
  CHECK(folder.names() == std::vector<std::string>{"file", "inner"});
  CHECK(std::filesystem::exists(folder / "inner" / "deep"));
}

TEST_CASE("merge: a merged folder carries the RoPE that the flags asked for") {
  const std::string base = std::string(SCCA_SOURCE_DIR) + "/tests/golden/gqa_tied";
  const TemporaryFolder folder;
  std::string ids;
  for (int i = 0; i < 90; ++i)
    ids += (i ? "," : "") + std::to_string(i * 7 % 31);  // beyond the pretrained 64
  const auto logits = [&](const std::string& model, std::vector<std::string> more) {
    more.insert(more.begin(), {"logits", "--model", model, "--ids", ids, "--all", "--json"});
    return run_scca(more).json()["logits"];
  };
  const json plain = logits(base, {"--adapter", base + "/adapter"});
  for (const std::string type : {"none", "linear", "ntk", "dynamic", "yarn", "llama3"}) {
    CAPTURE(type);
    const std::string out = (folder / type).string();
    std::vector<std::string> flags{"--adapter", base + "/adapter", "--rope", type};
    if (type != "none") flags.insert(flags.end(), {"--rope-factor", "4"});
    std::vector<std::string> merge{"merge", "--model", base, "--out", out};
    merge.insert(merge.end(), flags.begin(), flags.end());
    REQUIRE(run_scca(merge).code == 0);
    const json merged = logits(out, {}), apart = logits(base, flags);
    double worst = 0, moved = 0;
    for (size_t row = 0; row < 90; ++row) {
      for (size_t v = 0; v < merged[row].size(); ++v) {
        worst = std::max(worst, std::abs(merged[row][v].get<double>() - apart[row][v].get<double>()));
        moved = std::max(moved, std::abs(merged[row][v].get<double>() - plain[row][v].get<double>()));
      }
    }
    CHECK(worst < 1e-4);
    CHECK((moved > 1e-3) == (type != "none"));
    const json config = json::parse(read_text_file(out + "/config.json"));
    const bool by_theta = type == "none" || type == "ntk";  // what readers know no name for
    CHECK(config["rope_parameters"]["rope_type"] == (by_theta ? "default" : type));
    const bool keeps_length = type == "none" || type == "linear" || type == "dynamic";
    CHECK(config["max_position_embeddings"] == (keeps_length ? 64 : 256));
  }
  const RunResult lists = run_scca({"merge", "--model", base, "--adapter", base + "/adapter", "--out",
                                    (folder / "no").string(), "--rope", "longrope", "--rope-factor", "4"});
  CHECK(lists.code == 2);
  CHECK(lists.one_error_line());
  CHECK(lists.err.find("--rope longrope: it divides by the lists") != std::string::npos);
}

TEST_CASE("merge: without an adapter a GGUF file becomes a folder of the same model") {
  const TemporaryFolder folder;
  const std::string file = folder / "base.gguf", out = folder / "base";
  REQUIRE(run_scca({"export", "--model", kModel, "--type", "q8_0", "--out", file}).code == 0);
  const RunResult made = run_scca({"merge", "--model", file, "--dtype", "f32", "--out", out});
  CHECK(made.code == 0);
  CHECK(made.err.ends_with("converted (no adapter): " + out + "\n"));
  const auto logits = [](const std::string& model) {
    return run_scca({"logits", "--model", model, "--ids", "1,403,407", "--json"}).json()["logits"];
  };
  CHECK(logits(out) == logits(file));
}
