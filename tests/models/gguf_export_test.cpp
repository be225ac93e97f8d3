#include "models/gguf_export.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/check.h"
#include "models/gguf_model.h"
#include "models/weights.h"
#include "tests/op_check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::string kStories = SCCA_SOURCE_DIR "/tests/data/stories260K";
const std::string kGolden = SCCA_SOURCE_DIR "/tests/golden/";

Tensor some_ids() { return Tensor::of(std::vector<int32_t>{1, 7, 30, 12, 9, 39, 2, 25}, {1, 8}); }

/// Written as a GGUF file and read back.
struct Exported {
  Exported(const Llama& model, const std::string& dtype) {
    GgufContent content;
    content.set("tokenizer.ggml.bos_token_id", uint32_t{1});
    content.set("tokenizer.ggml.eos_token_id", uint32_t{2});
    add_gguf_model(content, model, dtype);
    content.write(path);
  }
  TemporaryFolder folder;
  std::string path = folder / "x.gguf";
};

}  // namespace

TEST_CASE("gguf export: in f32 the model comes back to the bit, tied or not") {
  for (const std::string& folder : {kGolden + "gqa_tied", kGolden + "mha_untied", kGolden + "head_dim"}) {
    INFO(folder);
    const Llama model = Llama::load(folder);
    const Exported file(model, "F32");
    const Llama back = Llama::load(file.path);
    CHECK(computed_with(back.config) == computed_with(model.config));
    CHECK(same_bits(back.logits(some_ids()), model.logits(some_ids())));
  }
}

TEST_CASE("gguf export: q and k of a Mistral are interleaved as LLaMA's, those of a Qwen are not") {
  // llama.cpp runs Mistral as its architecture llama; goldens of both ways are read in gguf_model_test.cpp.
  LlamaConfig config = Llama::load(kGolden + "gqa_tied").config;
  const auto query = [&](std::string_view model_type) {
    config.family = &*std::ranges::find(families(), model_type, &Family::model_type);
    const Exported file(Llama::initialised(config, 3), "F32");
    const GgufFile read(file.path);
    const StoredTensor& tensor = read.tensors().at("blk.0.attn_q.weight");
    return std::vector<std::byte>(tensor.data, tensor.data + tensor.bytes);
  };
  CHECK(query("mistral") == query("llama"));
  CHECK(query("qwen2") != query("llama"));
}

TEST_CASE("gguf export: what each matrix is written as") {
  const Llama model = Llama::load(kStories);
  const auto stored = [&](const char* dtype, const char* name) {
    const Exported file(model, dtype);
    return GgufFile(file.path).tensors().at(name).dtype;
  };
  CHECK(stored("Q4_0", "blk.0.attn_q.weight") == "Q4_0");
  CHECK(stored("Q4_0", "token_embd.weight") == "Q8_0");
  CHECK(stored("Q4_0", "blk.0.attn_norm.weight") == "F32");
  CHECK(stored("Q8_0", "blk.0.ffn_down.weight") == "F16");  // rows of 172
  CHECK(stored("F16", "blk.0.ffn_up.weight") == "F16");
  const Exported file(model, "Q8_0");
  CHECK(GgufFile(file.path).settings()["general.file_type"] == 7);
  // Eight bits: half a step of 127 of the largest weight, over the few layers.
  const Tensor ours = model.logits(some_ids()), theirs = Llama::load(file.path).logits(some_ids());
  double largest = 0;
  for (const double v : values(ours)) largest = std::max(largest, std::abs(v));
  CHECK(max_difference(ours, theirs) < 0.02 * largest);
  CHECK(max_difference(ours, theirs) > 0);
}

TEST_CASE("gguf export: an adapter alone has A and B in llama.cpp's order, and one alpha") {
  Llama model = Llama::load(kGolden + "gqa_tied");
  model.add_lora({.rank = 3, .alpha = 6, .targets = {"q_proj", "down_proj"}});
  float next = 0;
  model.for_each_linear([&](const std::string& name, Linear& linear) {
    if (!linear.lora) return;
    linear.lora->b_OR.set_requires_grad(false);
    for (int64_t i = 0; i < linear.lora->b_OR.numel(); ++i)
      linear.lora->b_OR.data<float>()[i] = next += 0.25f;
    if (name.ends_with("down_proj")) linear.lora->scale = 8;  // the first has 2
  });
  const TemporaryFolder folder;
  GgufContent content;
  add_gguf_adapter(content, model);
  content.write(folder / "a.gguf");
  const GgufFile file(folder / "a.gguf");
  CHECK(file.settings() == Json{{"general.architecture", "llama"},
                                {"general.type", "adapter"},
                                {"adapter.type", "lora"},
                                {"adapter.lora.alpha", 6.0}});
  CHECK(file.tensors().size() == 8);
  model.for_each_linear([&](const std::string& name, Linear& linear) {
    if (!linear.lora) return;
    INFO(name);
    const std::string theirs = gguf_name(name + ".weight");
    Tensor a = Tensor::empty(linear.lora->a_RI.shape(), DType::f32);
    REQUIRE(read_elements(file.tensors().at(theirs + ".lora_a"), a));
    CHECK(same_bits(a, linear.lora->a_RI.detach()));
    StoredTensor stored = file.tensors().at(theirs + ".lora_b");
    stored.interleaved = name.ends_with("q_proj") ? model.config.head_dim : 0;
    Tensor b = Tensor::empty(linear.lora->b_OR.shape(), DType::f32);
    REQUIRE(read_elements(stored, b));
    const float factor = name.ends_with("down_proj") ? 4 : 1;
    for (int64_t i = 0; i < b.numel(); ++i)
      CHECK(b.data<float>()[i] == factor * linear.lora->b_OR.data<float>()[i]);
  });
  GgufContent merged;
  CHECK(error_of([&] { add_gguf_model(merged, model, "F16"); }).find("not merged") != std::string::npos);
  Llama plain = Llama::load(kGolden + "gqa_tied");
  GgufContent none;
  CHECK(error_of([&] { add_gguf_adapter(none, plain); }) == "gguf: the model carries no LoRA");
}

TEST_CASE("gguf export: layers of an alpha of 0 change nothing, be they the first or all") {
  const auto written = [](double q, double v) {
    Llama model = Llama::load(kGolden + "gqa_tied");
    model.add_lora({.rank = 2, .alpha = 2, .targets = {"q_proj", "v_proj"}});
    model.for_each_linear([&](const std::string& name, Linear& linear) {
      if (!linear.lora) return;
      linear.lora->scale = name.ends_with("q_proj") ? q : v;
      linear.lora->b_OR = Tensor::full(linear.lora->b_OR.shape(), 0.5);
    });
    const TemporaryFolder folder;
    GgufContent content;
    add_gguf_adapter(content, model);
    content.write(folder / "a.gguf");
    const GgufFile file(folder / "a.gguf");
    const auto weight = [&](const std::string& name) {
      return *reinterpret_cast<const float*>(file.tensors().at("blk.0." + name + ".weight.lora_b").data);
    };
    return std::vector<double>{file.settings()["adapter.lora.alpha"], weight("attn_q"), weight("attn_v")};
  };
  CHECK(written(0, 3) == std::vector<double>{6, 0, 0.5});
  CHECK(written(0, 0) == std::vector<double>{1, 0, 0});  // an alpha of 0 would be a scale of 1
}
