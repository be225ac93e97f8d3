// What people hand over as --model and --adapter, through the real program: read right, or refused in one
// line.
#include "train/cli/model_flags.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "models/adapter.h"
#include "models/weights.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const std::string kRoot = SCCA_SOURCE_DIR, kBase = kRoot + "/tests/golden/gqa_tied",
                  kAdapters = kRoot + "/tests/golden/adapters", kStories = kRoot + "/tests/data/stories260K";

/// gqa_tied's first row of ids, and the logits that PEFT has there with an adapter.
std::string golden_ids() {
  const json ids = json::parse(read_text_file(kBase + "/ids.json"))["ids"][0];
  std::string text;
  for (const json& id : ids) text += (text.empty() ? "" : ",") + std::to_string(id.get<int>());
  return text;
}

std::vector<double> logits_of(const RunResult& result) {
  std::vector<double> all;
  const json parsed = result.json();
  for (const json& row : parsed["logits"])
    for (const json& logit : row) all.push_back(logit.get<double>());
  return all;
}

RunResult logits(const std::string& model, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments{"logits", "--model", model, "--ids", golden_ids(), "--all", "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_scca(arguments);
}

double difference(const std::vector<double>& ours, const std::vector<double>& theirs) {
  REQUIRE(ours.size() == theirs.size());
  double worst = 0;
  for (size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::abs(ours[i] - theirs[i]));
  return worst;
}

/// A copy of a model's folder, to be changed.
struct Copy {
  explicit Copy(const std::string& from) {
    for (const auto& entry : fs::directory_iterator(from))
      if (entry.is_regular_file()) fs::copy_file(entry.path(), folder / entry.path().filename().string());
  }
  std::string path() const { return folder.path().string(); }
  void set(const std::string& file, const std::string& key, const json& value) const {
    json changed = json::parse(read_text_file(folder / file));
    changed[key] = value;
    write_file(folder / file, changed.dump());
  }
  /// The same weights with others added or in their place.
  void with(const std::vector<std::pair<std::string, Tensor>>& tensors) const {
    std::map<std::string, Tensor> all;
    {
      const Weights weights(folder.path());
      for (const std::string& name : weights.names()) all[name] = weights.load(name, DType::f32).clone();
    }
    for (const auto& [name, tensor] : tensors) all[name] = tensor;
    write_safetensors(folder / "model.safetensors", {all.begin(), all.end()});
  }
  TemporaryFolder folder;
};

void check_refused(const RunResult& result, const std::string& part) {
  CAPTURE(part);
  CAPTURE(result.err);
  CHECK(result.code == 1);
  const std::string& err = result.err;
  size_t error = 0;  // lines that say the RoPE and BOS may stand before the error's
  while (err.compare(error, 5, "RoPE:") == 0 || err.compare(error, 4, "BOS ") == 0)
    error = err.find('\n', error) + 1;
  CHECK(result.out.empty());
  CHECK(err.compare(error, 4, "scca") == 0);
  CHECK(err.find('\n', error) == err.size() - 1);
  CHECK(err.find(part, error) != std::string::npos);
}

}  // namespace

// The logits are of size 20, f32 sums over a width of 24 in two layers: 1e-4 is ten times what golden_test
// asks.
TEST_CASE("model flags: PEFT's adapters of a tied base give PEFT's logits, and so do the merged models") {
  const Weights golden(kAdapters + "/logits.safetensors");
  for (const std::string name : {"embed_only", "embed_and_head", "embed_tied", "rank_pattern"}) {
    CAPTURE(name);
    const Tensor stored = golden.load(name, DType::f64);
    const std::vector<double> expected = stored.to_vector<double>();
    const RunResult adapted = logits(kBase, {"--adapter", kAdapters + "/" + name});
    CHECK(difference(logits_of(adapted), expected) < 1e-4);
    const bool unties = name == "embed_only" || name == "embed_and_head";
    CHECK((adapted.err.find("from here on they are two") != std::string::npos) == unties);
    const TemporaryFolder folder;
    const std::string merged = (folder / "merged").string();
    REQUIRE(
        run_scca({"merge", "--model", kBase, "--adapter", kAdapters + "/" + name, "--out", merged}).code ==
        0);
    CHECK(difference(logits_of(logits(merged)), expected) < 1e-4);
    CHECK(json::parse(read_text_file(merged + "/config.json"))["tie_word_embeddings"] == !unties);
    CHECK(Weights(merged).contains("lm_head.weight") == unties);
  }
}

TEST_CASE("model flags: an untrained PiSSA adapter equals its base, and so is not read as plain LoRA") {
  check_refused(logits(kBase, {"--adapter", kAdapters + "/pissa_untrained"}),
                "init_lora_weights is \"pissa\"");
  const Copy copy(kAdapters + "/gaussian");
  copy.set("adapter_config.json", "alora_invocation_tokens", {1, 2});
  check_refused(logits(kBase, {"--adapter", copy.path()}), "alora_invocation_tokens is [1,2]");
}

TEST_CASE("model flags: an adapter is found in its run's folder, and what is no adapter is told apart") {
  const TemporaryFolder run;
  fs::create_directories(run / "adapter");
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
    fs::copy_file(kAdapters + "/gaussian/" + name, run / "adapter" / name);
  write_file(run / "config.json", "{}");
  const std::string path = run.path().string();
  const RunResult found = logits(kBase, {"--adapter", path});
  CHECK(found.out == logits(kBase, {"--adapter", kAdapters + "/gaussian"}).out);
  CHECK(found.err.find("note: --adapter " + path + " is a run's folder; its adapter is " + path +
                       "/adapter") != std::string::npos);
  check_refused(logits(path), "give --model \"gqa_tied\" --adapter " + path);
  check_refused(logits(path + "/adapter"), "is an adapter, not a model; give --model \"gqa_tied\" --adapter");
  check_refused(logits(kBase, {"--adapter", kBase}), "is a model, not an adapter");
  check_refused(logits(kBase, {"--adapter", path + "/adapter/adapter_model.safetensors"}),
                "is a file; give the folder");
  check_refused(logits("meta-llama/Llama-2-7b"), "hf download meta-llama/Llama-2-7b --local-dir Llama-2-7b");
  check_refused(logits(kBase + "/model.safetensors"), "is a file; give the folder");
  const std::string config = kBase + "/config.json";
  check_refused(logits(config), "is a file; give the folder");
  for (const char* command : {"generate", "tokenize"}) {
    std::vector<std::string> arguments{command, "--model", "meta-llama/Llama-2-7b"};
    arguments.insert(arguments.end(), {std::string(command) == "generate" ? "--prompt" : "--text", "a"});
    check_refused(run_scca(arguments), "hf download");
  }
  check_refused(run_scca({"finetune", "--model", "meta-llama/Llama-2-7b", "--data", config, "--context", "8",
                          "--out", (run / "out").string()}),
                "hf download");
}

TEST_CASE("model flags: an adapter made for LoRA on other layers, or in adapter_model.bin, is refused") {
  const Copy copy(kAdapters + "/gaussian");
  fs::rename(copy.folder / "adapter_model.safetensors", copy.folder / "adapter_model.bin");
  check_refused(logits(kBase, {"--adapter", copy.path()}),
                "adapter_model.bin is not read: save it as safetensors");
}

TEST_CASE("model flags: a Qwen renamed llama is refused by its extra tensors, a Granite by its keys") {
  const Copy qwen(kStories);
  qwen.with({{"model.layers.0.self_attn.q_proj.bias", Tensor::full({64}, 1)}});
  check_refused(logits(qwen.path()),
                "tensor \"model.layers.0.self_attn.q_proj.bias\" has no place in the model of config.json");
  const Copy granite(kStories);
  granite.set("config.json", "logits_scaling", 8);
  check_refused(logits(granite.path()), "logits_scaling");
  const Copy buffers(kStories);
  buffers.with({{"model.layers.0.self_attn.rotary_emb.inv_freq", Tensor::full({4}, 1)},
                {"lm_head.weight", Weights(kStories).load("model.embed_tokens.weight", DType::f32)}});
  CHECK(logits(buffers.path()).out == logits(kStories).out);
  const Copy head(kStories);
  head.with({{"lm_head.weight", Tensor::full({512, 64}, 1)}});
  check_refused(logits(head.path()), "lm_head.weight differs from model.embed_tokens.weight");
}

TEST_CASE("model flags: a folder with tokenizer.json alone, and one with added tokens") {
  const Copy newer(kStories);
  fs::remove(newer.folder / "tokenizer.model");
  const auto run_newer = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--model", newer.path()});
    return run_scca(arguments);
  };
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"tokenize", "--text", "a"}, {"generate", "--prompt", "a"}}) {
    fs::remove(newer.folder / "tokenizer.json");
    check_refused(run_newer(command), "no tokenizer.model or tokenizer.json in it");
    write_file(newer.folder / "tokenizer.json", "{}");
    check_refused(run_newer(command), "tokenizer.json: no model in it");
  }
  const std::string golden = SCCA_SOURCE_DIR "/tests/golden/tokenizers/llama3/";
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    write_file(newer.folder / name, read_text_file(golden + name));
  const auto ids = run_newer({"tokenize", "--text", "the whale", "--json"}).json()["ids"];
  CHECK(ids.size() > 1);
  CHECK(run_scca({"tokenize", "--text", "the whale", "--json", "--model", golden + "tokenizer.json"})
            .json()["ids"] == ids);
  CHECK(run_newer({"tokenize", "--decode", ids[0].dump()}).code == 0);
  CHECK(run_newer({"generate", "--prompt", "the whale", "--max-tokens", "3"}).code == 0);
  const Copy added(kStories);
  write_file(added.folder / "added_tokens.json", R"({"<pad>":512})");
  const RunResult with_pad = run_scca({"tokenize", "--model", added.path(), "--text", "Once<pad>", "--json"});
  CHECK(with_pad.json()["ids"].back() == 512);
  // The model has no row for it: said where it is used, not before.
  CHECK(run_scca({"generate", "--model", added.path(), "--prompt", "Once", "--max-tokens", "2"}).code == 0);
  const RunResult beyond = run_scca({"generate", "--model", added.path(), "--prompt", "Once<pad>"});
  CHECK(beyond.code == 2);
  CHECK(beyond.err.find("id 512 is beyond the vocabulary") != std::string::npos);
}

TEST_CASE("model flags: a padded vocabulary costs no text and no evaluation") {
  // The padding's rows of the head are such that one of them is the likeliest token after most texts.
  const Copy padded(kStories);
  Llama model = Llama::load(kStories);
  const auto extended = [&](float value) {
    std::vector<float> rows = model.embed_tokens_VD.to_vector<float>();
    rows.resize(520 * 64, value);
    return Tensor::of(rows, {520, 64});
  };
  Tensor head = extended(10);
  for (int64_t i = 512 * 64; i < 520 * 64; ++i) head.data<float>()[i] = (i / 64) % 2 ? 10.f : -10.f;
  padded.with({{"model.embed_tokens.weight", extended(0)}, {"lm_head.weight", head}});
  padded.set("config.json", "vocab_size", 520);
  padded.set("config.json", "tie_word_embeddings", false);
  const json row =
      run_scca({"logits", "--model", padded.path(), "--ids", "1,403,407,261", "--json"}).json()["logits"][0];
  REQUIRE(std::distance(row.begin(), std::max_element(row.begin(), row.end())) >= 512);
  const std::vector<std::string> generate{
      "generate", "--prompt", "Once upon a time", "--max-tokens", "30", "--temperature", "0", "--model"};
  auto theirs = generate, ours = generate;
  theirs.push_back(kStories);
  ours.push_back(padded.path());
  CHECK(run_scca(ours).out == run_scca(theirs).out);
  const RunResult passkey =
      run_scca({"eval", "passkey", "--model", padded.path(), "--lengths", "256", "--trials", "2", "--json"});
  CAPTURE(passkey.err);
  CHECK(passkey.code == 0);
  const std::string text = (padded.folder / "text.txt").string();
  write_file(text, "Once upon a time there was a girl. She was happy. ");
  CHECK(run_scca({"eval", "--model", padded.path(), "--data", text, "--context", "8"}).code == 0);
}

TEST_CASE("model flags: a model of NaN is an error in generate and logits, not a text") {
  const Copy copy(kStories);
  copy.with({{"model.norm.weight", Tensor::full({64}, NAN)}});
  check_refused(logits(copy.path()), "the logit of id 0 after position 0 is nan");
  check_refused(run_scca({"logits", "--model", copy.path(), "--ids", "1,2,3"}), "after position 2 is nan");
  check_refused(run_scca({"generate", "--model", copy.path(), "--prompt", "Once", "--json"}),
                "the logit of id 0 after");
}

TEST_CASE("model flags: an adapter on another base than it was made on is said") {
  const TemporaryFolder folder;
  const std::string text = (folder / "text.txt").string(), run = (folder / "run").string();
  std::string story;
  for (int i = 0; i < 20; ++i) story += "Once upon a time there was a girl. She was happy and sang. ";
  write_file(text, story);
  REQUIRE(run_scca({"finetune", "--model", kStories, "--data", text, "--context", "32", "--steps", "1",
                    "--lora-rank", "2", "--train", "none", "--out", run})
              .code == 0);
  const auto notes = [&](const std::string& model) {
    const RunResult result =
        run_scca({"logits", "--model", model, "--adapter", run + "/adapter", "--ids", "1,2"});
    CHECK(result.code == 0);
    return result.err;
  };
  CHECK(notes(kStories) == "");
  const Copy moved(kStories);  // the same weights elsewhere
  CHECK(notes(moved.path()) == "");
  moved.with({{"model.norm.weight", Tensor::full({64}, 1)}});
  CHECK(notes(moved.path()).find("warning: the adapter was made on other weights: ") != std::string::npos);
  // PEFT's have no fingerprint: the name alone.
  CHECK(logits(kBase, {"--adapter", kAdapters + "/gaussian"}).err == "");
  const Copy other(kBase);
  CHECK(logits(other.path(), {"--adapter", kAdapters + "/gaussian"})
            .err.find("names \"gqa_tied\" as its base") != std::string::npos);
}
