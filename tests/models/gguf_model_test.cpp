// The same models as folders and as GGUF files, which the gguf library wrote
// (tests/golden/make_gguf_goldens.py).
#include "models/gguf_model.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "models/llama.h"
#include "models/weights.h"
#include "tests/op_check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::string kGolden = SCCA_SOURCE_DIR "/tests/golden/";

/// A file with the settings of a small model and `more`, and an embedding.
struct Small {
  explicit Small(const std::string& architecture = "llama", uint32_t blocks = 1, uint32_t heads = 2) {
    content.set("general.architecture", architecture);
    for (const auto& [key, value] :
         std::vector<std::pair<std::string, uint32_t>>{{"context_length", 64},
                                                       {"embedding_length", 8},
                                                       {"block_count", blocks},
                                                       {"feed_forward_length", 4},
                                                       {"attention.head_count", heads}})
      content.set(concat(architecture, ".", key), value);
    content.set(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
    content.add("token_embd.weight", {5, 8}, "F32", [](int64_t, float* out) { std::fill_n(out, 8, 1.0f); });
  }
  GgufFile file() const {
    content.write(folder / "x.gguf");
    return GgufFile(folder / "x.gguf");
  }
  Json config() const { return gguf_config(file()); }
  std::string error() const {
    const std::string text = error_of([&] { config(); });
    const std::string file = (folder / "x.gguf").string() + ": ";
    return text.starts_with(file) ? text.substr(file.size()) : text;
  }
  TemporaryFolder folder;
  GgufContent content;
};

}  // namespace

TEST_CASE("gguf model: a model in f32 has the settings and the bits of its folder") {
  const std::string folder = kGolden + "gqa_tied", file = kGolden + "gguf/gqa_tied.gguf";
  LlamaConfig ours = read_config(file), theirs = read_config(folder);
  CHECK(computed_with(ours) == computed_with(theirs));
  const Weights weights(file), expected(folder);
  CHECK(weights.names() == expected.names());
  for (const std::string& name : expected.names()) {
    INFO(name);
    CHECK(max_difference(weights.load(name, DType::f32), expected.load(name, DType::f32)) == 0);
  }
  const Tensor ids = Tensor::of(std::vector<int32_t>{1, 7, 3, 22, 9}, {1, 5});
  CHECK(max_difference(Llama::load(file).logits(ids), Llama::load(folder).logits(ids)) == 0);
}

TEST_CASE("gguf model: f16 matrices are the folder's rounded, its own head is one") {
  const std::string file = kGolden + "gguf/mha_untied.gguf";
  CHECK(!read_config(file).tie_word_embeddings);
  CHECK(read_config(file).torch_dtype == "float16");
  const Weights weights(file), expected(kGolden + "mha_untied");
  for (const std::string& name : expected.names()) {
    INFO(name);
    const Tensor close = expected.load(name, DType::f32);
    const double largest = max_difference(close, Tensor::full(close.shape(), 0));
    CHECK(max_difference(weights.load(name, DType::f32), close) <= largest * 0x1p-11);
  }
}

TEST_CASE("gguf model: LLaMA 3.1's scaling is known by its divisors, and written as them") {
  const LlamaConfig config = read_config(kGolden + "gguf/llama3.gguf");
  CHECK(config.rope == RopeScaling{.type = RopeType::llama3,
                                   .theta = 500000,
                                   .factor = 8,
                                   .original_length = 8192,
                                   .low_freq_factor = 1,
                                   .high_freq_factor = 4});
  Small small;
  small.content.set("llama.attention.key_length", uint32_t{4});
  small.content.add("rope_freqs.weight", {2}, "F32", [](int64_t, float* out) {
    out[0] = 2;
    out[1] = 3;
  });
  CHECK(small.error().find("divisors that are not those of LLaMA 3.1") != std::string::npos);
}

TEST_CASE("gguf model: settings, with their defaults, and those that are not implemented by their names") {
  const Json plain = Small().config();
  CHECK(plain["model_type"] == "llama");
  CHECK(plain["rms_norm_eps"] == 1e-5);  // the decimal, not the nearest f32
  CHECK(plain["vocab_size"] == 5);
  CHECK(plain["tie_word_embeddings"] == true);
  CHECK(plain["eos_token_id"].is_null());
  const LlamaConfig config = config_from_json(plain, "x");
  CHECK(config.num_key_value_heads == 2);
  CHECK(config.head_dim == 4);
  CHECK(config.rope.theta == 10000);

  Small scaled;
  scaled.content.set("llama.rope.scaling.type", "yarn");
  scaled.content.set("llama.rope.scaling.factor", 4.0f);
  scaled.content.set("llama.rope.scaling.original_context_length", uint32_t{16});
  scaled.content.set("tokenizer.ggml.eos_token_id", uint32_t{2});
  scaled.content.set("tokenizer.ggml.eot_token_id", uint32_t{3});
  CHECK(scaled.config()["rope_scaling"] ==
        Json{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}});
  CHECK(scaled.config()["eos_token_id"] == Json{2, 3});
  const auto with = [](const std::string& key, auto value) {
    Small small;
    small.content.set(key, value);
    return small.error();
  };
  CHECK(with("llama.expert_count", uint32_t{8}).find("mixtures of experts are not implemented") !=
        std::string::npos);
  CHECK(with("llama.logit_scale", 2.0f).find("\"logit_scale\" is 2.0, and this program does not know") !=
        std::string::npos);
  CHECK(with("llama.rope.scaling.type", "su").find("expected none, linear or yarn") != std::string::npos);
  CHECK(with("llama.rope.dimension_count", uint32_t{2}).find("expected the width of a head, 4") !=
        std::string::npos);
  CHECK(with("other.key", uint32_t{1}) == "no error");
}

TEST_CASE(
    "gguf model: a scaling is linear and its factor 1 where the file leaves them open, as in llama.cpp") {
  struct Case {
    const char* type;  // these three null or negative: not in the file
    float factor, scale_linear;
    Json expected;
  };
  const Json linear{{"rope_type", "linear"}, {"factor", 4.0}}, yarn{{"rope_type", "yarn"}, {"factor", 4.0}};
  for (const Case& c :
       {Case{nullptr, 4, -1, linear}, Case{"linear", 4, -1, linear}, Case{nullptr, -1, 4, linear},
        Case{"linear", -1, 4, linear}, Case{nullptr, 4, 2, linear}, Case{"none", 4, -1, {}},
        Case{"none", -1, 4, {}}, Case{"linear", -1, -1, {}}, Case{nullptr, 0, 4, {}}, Case{nullptr, 1, 4, {}},
        Case{"yarn", 4, -1, yarn}, Case{"yarn", -1, 4, yarn}, Case{"yarn", -1, -1, {}}}) {
    CAPTURE(c.type);
    CAPTURE(c.factor);
    CAPTURE(c.scale_linear);
    Small small;
    if (c.type) small.content.set("llama.rope.scaling.type", c.type);
    if (c.factor >= 0) small.content.set("llama.rope.scaling.factor", c.factor);
    if (c.scale_linear >= 0) small.content.set("llama.rope.scale_linear", c.scale_linear);
    const LlamaConfig config = config_from_json(small.config(), "x");
    CHECK(small.config().value("rope_scaling", Json()) == c.expected);
    CHECK(config.rope.factor == (c.expected.is_null() ? 1.0 : 4.0));
    CHECK(config.rope.original_length == 64);
  }
  Small both;  // llama.cpp divides by both
  both.content.set("llama.attention.key_length", uint32_t{4});
  both.content.set("llama.rope.scaling.factor", 4.0f);
  both.content.add("rope_freqs.weight", {2}, "F32", [](int64_t, float* out) { std::fill_n(out, 2, 1.f); });
  CHECK(both.error().find("beside a tensor rope_freqs.weight; expected one of the two") != std::string::npos);
}

TEST_CASE("gguf model: heads that a file leaves open are not those of the family's config.json") {
  for (const char* architecture : {"llama", "qwen2", "qwen3"}) {
    CAPTURE(architecture);
    const LlamaConfig config = config_from_json(Small(architecture).config(), "x");
    CHECK(config.num_key_value_heads == 2);
    CHECK(config.head_dim == 4);
  }
  CHECK(Small("qwen3", 1, 3).error() ==
        "qwen3: embedding_length is 8, expected a multiple of attention.head_count, 3 (or an "
        "attention.key_length)");
  Small uneven("qwen3");
  uneven.content.set("qwen3.attention.value_length", uint32_t{3});
  CHECK(uneven.error() == "qwen3: attention.value_length is 3, expected the width of a head, 4");
}

TEST_CASE("gguf model: a number for each layer is one where all are the same") {
  Small same("llama", 2);
  same.content.set("llama.attention.head_count_kv", std::vector<int32_t>{1, 1});
  CHECK(same.config()["num_key_value_heads"] == 1);
  for (const std::vector<int32_t>& values : {std::vector<int32_t>{1, 2}, {1}, {1, 1, 1}, {}}) {
    CAPTURE(Json(values).dump());
    Small small("llama", 2);
    small.content.set("llama.attention.head_count_kv", values);
    CHECK(small.error() == concat("llama: attention.head_count_kv is ", Json(values).dump(),
                                  ", expected one number, or the same for each of the 2 layers"));
  }
}

TEST_CASE("gguf model: an id of -1 in 32 bits is none") {
  Small small;
  for (const char* name : {"bos", "eos", "eot"})
    small.content.set(concat("tokenizer.ggml.", name, "_token_id"), uint32_t{0xffffffff});
  small.content.set("tokenizer.ggml.eom_token_id", uint32_t{3});
  CHECK(small.config()["bos_token_id"].is_null());
  CHECK(small.config()["eos_token_id"] == Json{3});
}

TEST_CASE("gguf model: a part of a model is refused, the first as the others") {
  for (const bool first : {true, false}) {
    GgufContent other;
    Small small;
    GgufContent& content = first ? small.content : other;
    content.set("split.count", uint32_t{2});
    content.write(small.folder / "x.gguf");
    CHECK(error_of([&] { read_config(small.folder / "x.gguf"); }) ==
          small.folder /
              "x.gguf: is one of the 2 parts of a model (...-00001-of-0000N.gguf), expected a whole "
              "one; join them with llama.cpp's llama-gguf-split, which merges from the first");
  }
  Small whole;
  whole.content.set("split.count", uint32_t{1});
  CHECK(whole.error() == "no error");
}

TEST_CASE("gguf model: another architecture, and a file without a whole model, are refused") {
  GgufContent other;
  const TemporaryFolder folder;
  other.set("general.architecture", "mamba");
  other.write(folder / "x.gguf");
  CHECK(error_of([&] { read_config(folder / "x.gguf"); }) ==
        folder / "x.gguf: general.architecture is \"mamba\", expected llama, qwen2, qwen3");
  GgufContent empty;
  empty.set("general.architecture", "llama");
  empty.write(folder / "y.gguf");
  CHECK(error_of([&] { read_config(folder / "y.gguf"); }) == folder / "y.gguf: llama: no context_length");

  Small extra;
  extra.content.add("blk.0.attn_rot_embd.weight", {4}, "F32",
                    [](int64_t, float* out) { std::fill_n(out, 4, 0.f); });
  const std::map<std::string, StoredTensor> tensors = gguf_tensors(extra.file());
  CHECK(error_of([&] {
          Llama::load(extra.folder / "x.gguf");
        }).find("\"blk.0.attn_rot_embd.weight\" has no place in the model") != std::string::npos);
  CHECK(tensors.contains("model.embed_tokens.weight"));

  Small cut;  // 6 rows are one head of 4 and a half
  cut.content.add("blk.0.attn_q.weight", {6, 8}, "F32",
                  [](int64_t, float* out) { std::fill_n(out, 8, 0.f); });
  CHECK(error_of([&] { gguf_tensors(cut.file()); }).find("not whole heads of 4") != std::string::npos);
}

TEST_CASE("gguf model: names both ways") {
  CHECK(gguf_name("model.layers.12.self_attn.q_proj.weight") == "blk.12.attn_q.weight");
  CHECK(gguf_name("model.layers.0.mlp.down_proj.bias") == "blk.0.ffn_down.bias");
  CHECK(gguf_name("model.norm.weight") == "output_norm.weight");
  for (const char* name :
       {"model.layers.x.self_attn.q_proj.weight", "model.layers.1.mlp.weight", "norm", "a.b"})
    CHECK(error_of([&] { gguf_name(name); }) == concat(name, ": GGUF has no word for that tensor"));
}

TEST_CASE("gguf model: settings that are written are read, for every RoPE that the format has words for") {
  for (const char* type : {"none", "linear", "yarn", "llama3"}) {
    INFO(type);
    LlamaConfig config = read_config(kGolden + "gqa_tied");
    config.rope.type = *rope_type_of(type);
    if (config.rope.type != RopeType::none) config.rope.factor = 4;
    config = with_rope(config, config.rope, 256);
    const TemporaryFolder folder;
    GgufContent content;
    set_gguf_config(content, config);
    content.set("tokenizer.ggml.bos_token_id", uint32_t{1});
    content.set("tokenizer.ggml.eos_token_id", uint32_t{2});
    content.add("token_embd.weight", {40, 24}, "F32", [](int64_t, float* out) { std::fill_n(out, 24, 0.f); });
    content.write(folder / "x.gguf");
    CHECK(computed_with(read_config(folder / "x.gguf")) == computed_with(config));
  }
  LlamaConfig config = read_config(kGolden + "gqa_tied");
  config.rope.type = RopeType::dynamic;
  config.rope.factor = 4;
  GgufContent content;
  CHECK(error_of([&] { set_gguf_config(content, config); }).find("RoPE is dynamic") != std::string::npos);
}
