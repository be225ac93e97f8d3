// scca export and `--model FILE.gguf`, as a user runs them, on stories260K.
#include <doctest/doctest.h>

#include <cmath>

#include "models/files/gguf.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
const std::string kText = "Once upon a time, there was a little girl.";

std::string exported(const TemporaryFolder& folder, const std::string& type) {
  const std::string file = folder / (type + ".gguf");
  const RunResult result = run_scca({"export", "--model", kModel, "--type", type, "--out", file});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  return file;
}

std::vector<double> logits_of(const std::string& model, const std::vector<std::string>& flags = {}) {
  std::vector<std::string> words{"logits", "--model", model, "--ids", "1,403,407,261,378", "--json"};
  words.insert(words.end(), flags.begin(), flags.end());
  return run_scca(words).json()["logits"][0].get<std::vector<double>>();
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}

/// A run of one step on the model; its adapter.
std::string adapter_of(const TemporaryFolder& folder, const std::string& model, const std::string& train) {
  write_file(folder / "text.txt", kText + " She had a dog. The dog was big and red and sat in the sun.");
  const std::string run = folder / ("run-" + train);
  const RunResult result = run_scca({"finetune",
                                     "--model",
                                     model,
                                     "--data",
                                     folder / "text.txt",
                                     "--context",
                                     "16",
                                     "--steps",
                                     "1",
                                     "--attention",
                                     "full",
                                     "--warmup",
                                     "0",
                                     "--lr",
                                     "0.01",
                                     "--rope",
                                     "linear",
                                     "--rope-factor",
                                     "2",
                                     "--train",
                                     train,
                                     "--out",
                                     run});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  return run + "/adapter";
}

}  // namespace

TEST_CASE("export: a GGUF file goes where a folder goes") {
  const TemporaryFolder folder;
  const std::string file = exported(folder, "f32");
  CHECK(logits_of(file) == logits_of(kModel));
  CHECK(run_scca({"tokenize", "--model", file, "--text", kText, "--json"}).json() ==
        run_scca({"tokenize", "--model", kModel, "--text", kText, "--json"}).json());
  const auto generated = [&](const std::string& model) {
    return run_scca(
               {"generate", "--model", model, "--prompt", "Once", "--max-tokens", "12", "--temperature", "0"})
        .out;
  };
  CHECK(generated(file) == generated(kModel));
  CHECK(run_scca({"plan-memory", "--model-config", file, "--context", "64", "--json"}).code == 0);
  const double most = largest_difference(logits_of(exported(folder, "q8_0")), logits_of(kModel));
  CHECK(most > 0);
  CHECK(most < 0.5);
}

TEST_CASE("export: a text ends where the folder's does, at any of its ends") {
  const TemporaryFolder folder;
  const std::filesystem::path model = folder / "model";
  std::filesystem::copy(kModel, model);
  json config = json::parse(read_text_file(model / "config.json"));
  const auto generated = [](const std::string& from) {
    return run_scca(
               {"generate", "--model", from, "--prompt", "Once", "--max-tokens", "40", "--temperature", "0"})
        .out;
  };
  const std::string all = generated(model), text = " upon a time, there was a little girl named Lily\n";
  CHECK(all.size() > text.size());
  int files = 0;
  const auto check = [&](const std::string& note) {
    const std::string file = folder / concat(files++, ".gguf");
    const RunResult result = run_scca({"export", "--model", model, "--type", "f32", "--out", file});
    CAPTURE(result.err);
    CHECK(generated(model) == text);
    CHECK(generated(file) == text);
    CHECK((result.err.find("note: ") == std::string::npos) == note.empty());
    CHECK(result.err.find(note) != std::string::npos);
    CHECK(run_scca({"export", "--model", file, "--type", "f32", "--out", folder / concat(files, "-.gguf")})
              .err.find("note: ") == std::string::npos);
  };
  for (const json& ends : {json{2, 426}, json{300, 2, 426}}) {  // 426: ".", which is not shown
    write_file(model / "generation_config.json", json{{"eos_token_id", ends}}.dump());
    check("");
  }
  std::filesystem::remove(model / "generation_config.json");
  config["eos_token_id"] = json{3, 426, 4, 5};
  write_file(model / "config.json", config.dump());
  check("note: the model's texts end at ids 3, 4, 5, 426, those of the file at 2, 3, 426");
}

TEST_CASE("export: an adapter is merged into the file, and a folder is made of a GGUF base") {
  const TemporaryFolder folder;
  const std::string base = exported(folder, "f16"), adapter = adapter_of(folder, base, "norm"),
                    merged = folder / "merged", file = folder / "mine.gguf";
  REQUIRE(
      run_scca({"merge", "--model", base, "--adapter", adapter, "--out", merged, "--dtype", "f32"}).code ==
      0);
  REQUIRE(run_scca({"export", "--model", base, "--adapter", adapter, "--type", "f32", "--out", file}).code ==
          0);
  const std::vector<double> trained = logits_of(base, {"--adapter", adapter});
  CHECK(largest_difference(trained, logits_of(base)) > 0.01);
  CHECK(largest_difference(logits_of(merged), trained) < 1e-4);
  CHECK(logits_of(file) == logits_of(merged));
  CHECK(run_scca({"tokenize", "--model", merged, "--text", kText, "--json"}).json() ==
        run_scca({"tokenize", "--model", kModel, "--text", kText, "--json"}).json());

  // As the base is stored, where nobody says otherwise.
  const std::string half = folder / "half";
  REQUIRE(run_scca({"merge", "--model", base, "--adapter", adapter, "--out", half}).code == 0);
  CHECK(json::parse(read_text_file(half + "/config.json"))["torch_dtype"] == "float16");
  CHECK(std::filesystem::file_size(half + "/model.safetensors") <
        std::filesystem::file_size(merged + "/model.safetensors") * 0.52);
}

TEST_CASE("export: an adapter alone, with what llama.cpp must be told; not one with whole weights") {
  const TemporaryFolder folder;
  const std::string file = folder / "lora.gguf";
  const auto alone = [&](const std::string& adapter) {
    return run_scca({"export", "--model", kModel, "--adapter", adapter, "--adapter-alone", "--out", file});
  };
  const RunResult refused = alone(adapter_of(folder, kModel, "norm"));
  CHECK(refused.code == 1);
  CHECK(refused.one_error_line());
  CHECK(refused.err.find("layernorm.weight and 10 more") != std::string::npos);
  CHECK(!std::filesystem::exists(file));

  // Updates of embedding and head are in the weights once they are loaded: left out, they would be lost.
  const std::string golden = std::string(SCCA_SOURCE_DIR) + "/tests/golden/";
  for (const char* kind : {"lora_embed", "lora_head"}) {
    CAPTURE(kind);
    const RunResult lost = run_scca({"export", "--model", golden + "gqa_tied", "--adapter",
                                     golden + "adapters/" + kind, "--adapter-alone", "--out", file});
    CHECK(lost.code == 1);
    CHECK(lost.err.find("has more than updates of the blocks' layers") != std::string::npos);
  }

  const RunResult result = alone(adapter_of(folder, kModel, "none"));
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  CHECK(result.err.find("--lora " + file + " --rope-scaling linear --rope-scale 2") != std::string::npos);
  CHECK(GgufFile(file).settings()["general.type"] == "adapter");
  CHECK(GgufFile(file).tensors().contains("blk.4.attn_output.weight.lora_b"));
}

TEST_CASE("export: pretraining takes its tokenizer from a GGUF file, and its model has the files of one") {
  const TemporaryFolder folder;
  const std::string file = exported(folder, "f16"), run = folder / "run";
  write_file(folder / "text.txt", kText + " She had a dog. The dog was big and red and sat in the sun.");
  const RunResult result = run_scca({"pretrain", "--model-config", file, "--tokenizer", file, "--data",
                                     folder / "text.txt", "--context", "16", "--steps", "1", "--out", run});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  CHECK(run_scca({"tokenize", "--model", run + "/model", "--text", kText, "--json"}).json() ==
        run_scca({"tokenize", "--model", kModel, "--text", kText, "--json"}).json());
}

TEST_CASE("export: mistakes are one line and leave nothing") {
  const TemporaryFolder folder;
  write_file(folder / "there.gguf", "x");
  for (const auto& [out, says] : std::vector<std::pair<std::string, std::string>>{
           {folder / "x.bin", "expected a file name that ends in .gguf"},
           {folder / "there.gguf", "is already there"}}) {
    const RunResult result = run_scca({"export", "--model", kModel, "--out", out});
    CHECK(result.code == 2);
    CHECK(result.one_error_line());
    CHECK(result.err.find(says) != std::string::npos);
  }
  CHECK(run_scca({"export", "--model", kModel, "--adapter-alone", "--out", folder / "y.gguf"})
            .err.find("no --adapter to export") != std::string::npos);
  const RunResult no_gguf = run_scca({"logits", "--model", folder / "there.gguf", "--ids", "1"});
  CHECK(no_gguf.code == 1);
  CHECK(no_gguf.err.find("is no GGUF file") != std::string::npos);
  CHECK(!std::filesystem::exists(folder / "y.gguf"));
}
