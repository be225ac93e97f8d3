// A base in few bits, as a library and as a user runs it.
#include "models/base_dtype.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd.h"
#include "core/random.h"
#include "models/gguf_export.h"
#include "models/llama.h"
#include "models/weights.h"
#include "ops/cast.h"
#include "tests/op_check.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;

namespace {

/// Widths of whole blocks of 64, but the feed-forward layer's of 32 alone; interleaved q and k, grouped.
LlamaConfig config() {
  LlamaConfig config;
  config.vocab_size = 129;
  config.hidden_size = 64;
  config.intermediate_size = 96;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.max_position_embeddings = 64;
  return config;
}

std::string gguf_of(const TemporaryFolder& folder, const std::string& type) {
  GgufContent content;
  add_gguf_model(content, Llama::initialised(config(), 5), type);
  content.write(folder / "model.gguf");
  return folder / "model.gguf";
}

std::map<std::string, DType> dtypes_of(Llama& model) {
  std::map<std::string, DType> dtypes;
  model.for_each_parameter([&](const std::string& name, Tensor& weight) { dtypes[name] = weight.dtype(); });
  return dtypes;
}

const std::string kDown = "model.layers.1.mlp.down_proj.weight",
                  kQuery = "model.layers.0.self_attn.q_proj.weight", kEmbedding = "model.embed_tokens.weight",
                  kNorm = "model.norm.weight";

Tensor ids() { return Tensor::of<int32_t>({1, 128, 77, 5, 5, 31, 2, 64, 90}, {1, 9}); }

/// Loss and the gradients of LoRA, of a step with the model.
std::vector<Tensor> step(Llama model) {
  set_random_state({3, 0});
  model.add_lora({});
  model.set_trainable({"none"});
  model.for_each_linear([](const std::string&, Linear& linear) {
    if (linear.lora) fill_uniform(linear.lora->b_OR, -0.1, 0.1);
  });
  std::vector<Tensor> all{model.loss(ids(), {.training = true, .checkpointing = kAllLayers})};
  backward(all[0]);
  model.for_each_parameter([&](const std::string&, Tensor& weight) {
    if (weight.requires_grad()) all.push_back(weight.grad());
  });
  all[0] = all[0].detach();
  return all;
}

}  // namespace

TEST_CASE("base dtype: stored keeps a file's blocks where it has them, in the mapping but for turned rows") {
  for (const char* type : {"Q8_0", "Q4_0"}) {
    CAPTURE(type);
    const TemporaryFolder folder;
    const std::string file = gguf_of(folder, type);
    const int64_t before = memory_counters().live_bytes;
    Llama kept = Llama::load(file, DType::f32, BaseDType::stored);
    const int64_t live = memory_counters().live_bytes - before;
    const std::map<std::string, DType> dtypes = dtypes_of(kept);
    const DType blocks = std::string(type) == "Q8_0" ? DType::q8_0 : DType::q4_0;
    CHECK(dtypes.at(kQuery) == blocks);
    CHECK(dtypes.at(kDown) == blocks);
    CHECK(dtypes.at(kEmbedding) == DType::q8_0);
    CHECK(dtypes.at(kNorm) == DType::f32);
    // q and k, whose rows llama.cpp turns, are this model's own; the rest lies in the file
    CHECK(live == 2 * static_cast<int64_t>(counted_bytes(64 * row_bytes(blocks, 64), Device::cpu) +
                                           counted_bytes(32 * row_bytes(blocks, 64), Device::cpu)));
    Llama plain = Llama::load(file);
    CHECK(max_difference(kept.logits(ids()), plain.logits(ids())) < 1e-6);
    const std::vector<Tensor> a = step(std::move(kept)), b = step(std::move(plain));
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) CHECK(max_difference(a[i], b[i]) < 1e-6);
  }
}

TEST_CASE("base dtype: nf4 and q8_0 are made of the blocks' layers whose rows they divide") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "model");
  Llama::initialised(config(), 5).save(folder / "model", stored_float("f32"));
  for (const BaseDType base : {BaseDType::nf4, BaseDType::q8_0}) {
    const DType blocks = base == BaseDType::nf4 ? DType::nf4 : DType::q8_0;
    Llama kept = Llama::load(folder / "model", DType::bf16, base);
    const std::map<std::string, DType> dtypes = dtypes_of(kept);
    CHECK(dtypes.at(kQuery) == blocks);
    CHECK(dtypes.at(kDown) == (base == BaseDType::nf4 ? DType::bf16 : blocks));
    CHECK(dtypes.at(kEmbedding) == DType::bf16);
    // what is kept is what is computed with: saved and read again, the same to the rounding of f32
    Llama exact = Llama::load(folder / "model", DType::f32, base);
    const std::string copy = folder / concat("copy", static_cast<int>(base));
    std::filesystem::create_directory(copy);
    exact.save(copy, stored_float("f32"));
    CHECK(max_difference(exact.logits(ids()), Llama::load(copy).logits(ids())) < 1e-6);
  }
}

TEST_CASE("base dtype: what learns becomes f32, the rest stays") {
  const TemporaryFolder folder;
  Llama model = Llama::load(gguf_of(folder, "Q8_0"), DType::f32, BaseDType::stored);
  const Tensor before = cast(model.embed_tokens_VD, DType::f32);
  model.set_trainable({"embed", "norm"});
  CHECK(model.embed_tokens_VD.dtype() == DType::f32);
  CHECK(same_bits(model.embed_tokens_VD.detach(), before));
  CHECK(dtypes_of(model).at(kQuery) == DType::q8_0);
  model.add_lora({});
  model.merge_lora();
  CHECK(dtypes_of(model).at(kQuery) == DType::f32);
  CHECK(dtypes_of(model).at(kDown) == DType::q8_0);
}

TEST_CASE("base dtype: names") {
  for (const BaseDTypeName& known : base_dtypes()) CHECK(base_dtype(known.name) == known.value);
  CHECK_THROWS_WITH_AS(base_dtype("int4"), "no base is kept as int4; expected same, stored, q8_0, nf4",
                       Error);
  CHECK_THROWS_AS(parameter_dtypes(BaseDType::stored, DType::f32, nullptr), Error);
}

TEST_CASE(
    "--base-dtype: training, evaluating and generating with a base in few bits; a resumed run keeps it") {
  const TemporaryFolder folder;
  const std::string model = SCCA_SOURCE_DIR "/tests/data/stories260K", gguf = folder / "base.gguf";
  write_file(folder / "text.txt", "Once upon a time there was a dog. It was big and red. It sat in the sun.");
  REQUIRE(run_scca({"export", "--model", model, "--type", "q8_0", "--out", gguf}).code == 0);
  const auto finetune = [&](const std::string& base, const std::string& from, const std::string& out,
                            const std::string& steps) {
    return run_scca({"finetune", "--model", from, "--base-dtype", base, "--data", folder / "text.txt",
                     "--context", "16", "--steps", steps, "--train", "none", "--out", folder / out});
  };
  const RunResult nf4 = finetune("nf4", model, "nf4", "2");
  CAPTURE(nf4.err);
  CHECK(nf4.code == 0);
  CHECK(nf4.err.find("note: 5 of 35 matrices of " + model + " stay in f32") != std::string::npos);
  CHECK(nf4.err.find("/nf4/adapter --base-dtype nf4 --data HELD_OUT_TEXT") != std::string::npos);
  const RunResult stored = finetune("stored", gguf, "stored", "2");
  CAPTURE(stored.err);
  CHECK(stored.code == 0);
  const auto logits = [&](const std::string& from, const std::string& base, const std::string& adapter) {
    return run_scca({"logits", "--model", from, "--base-dtype", base, "--adapter", folder / adapter, "--ids",
                     "1,403,407,261,378", "--json"})
        .json()["logits"][0]
        .get<std::vector<double>>();
  };
  const std::vector<double> kept = logits(gguf, "stored", "stored/adapter"),
                            plain = logits(gguf, "same", "stored/adapter");
  for (size_t i = 0; i < kept.size(); ++i) CHECK(std::abs(kept[i] - plain[i]) < 1e-4);

  const RunResult other =
      run_scca({"finetune", "--model", model, "--base-dtype", "q8_0", "--data", folder / "text.txt",
                "--context", "16", "--steps", "3", "--train", "none", "--out", folder / "nf4", "--resume"});
  CHECK(other.code == 2);
  CHECK(other.err.find("--base-dtype is \"q8_0\" but") != std::string::npos);

  const RunResult none = run_scca(
      {"eval", "--model", model, "--base-dtype", "stored", "--data", folder / "text.txt", "--context", "16"});
  CHECK(none.code == 2);
  CHECK(none.err ==
        "scca eval: --base-dtype stored: " + model + " has no matrix in blocks; choose nf4 or q8_0\n");
}
