#include "models/family.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "models/config.h"
#include "models/llama.h"
#include "models/own_attention.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

LlamaConfig parse(const std::string& text) { return config_from_json(parse_json(text, "c"), "c"); }

LlamaConfig of_type(const std::string& type, const std::string& fields = "") {
  return parse("{\"model_type\":\"" + type + "\"" + fields + "}");
}

std::set<std::string> parameters_ending(const LlamaConfig& config, const std::string& end) {
  std::set<std::string> names;
  for (const auto& [name, shape] : Llama::parameter_shapes(config)) {
    const size_t at = name.find("layers.0.");
    if (at != name.npos && name.ends_with(end)) names.insert(name.substr(at + 9));
  }
  return names;
}

}  // namespace

TEST_CASE("family: what is absent is as the family's configuration in transformers has it") {
  const LlamaConfig mistral = of_type("mistral");
  CHECK(mistral.vocab_size == 32000);
  CHECK(mistral.intermediate_size == 14336);
  CHECK(mistral.num_key_value_heads == 8);
  CHECK(mistral.head_dim == 128);
  CHECK(mistral.max_position_embeddings == 131072);
  CHECK(mistral.rms_norm_eps == 1e-6);
  CHECK(mistral.bos_token_id == 1);
  CHECK(mistral.eos_token_ids == std::vector<int64_t>{2});
  for (const char* qwen : {"qwen2", "qwen3"}) {
    const LlamaConfig c = of_type(qwen);
    CHECK(c.vocab_size == 151936);
    CHECK(c.hidden_size == 4096);
    CHECK(c.intermediate_size == 22016);
    CHECK(c.num_hidden_layers == 32);
    CHECK(c.num_key_value_heads == 32);
    CHECK(c.max_position_embeddings == 32768);
    CHECK(!c.tie_word_embeddings);
    CHECK(c.rope.theta == 10000);
    CHECK(c.bos_token_id == -1);
    CHECK(c.eos_token_ids.empty());
  }
  CHECK(of_type("qwen3", ",\"hidden_size\":64,\"num_attention_heads\":32").head_dim == 128);
  CHECK(of_type("qwen2", ",\"hidden_size\":64,\"num_attention_heads\":32").head_dim == 2);
  // null is not absent: it is as many as query heads in every family
  CHECK(of_type("mistral", ",\"num_key_value_heads\":null").num_key_value_heads == 32);
  CHECK(of_type("llama", ",\"num_attention_heads\":16").num_key_value_heads == 16);
  CHECK(error_of([] { of_type("qwen2", ",\"num_attention_heads\":16"); }) ==
        "c: num_attention_heads is 16, expected a multiple of num_key_value_heads, 32");
}

TEST_CASE("family: which layers have biases, and which heads norms") {
  using Names = std::set<std::string>;
  const Names qkv{"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"};
  Names attention = qkv;
  attention.insert("self_attn.o_proj.bias");
  const Names mlp{"mlp.gate_proj.bias", "mlp.up_proj.bias", "mlp.down_proj.bias"};
  CHECK(parameters_ending(of_type("llama"), "bias").empty());
  CHECK(parameters_ending(of_type("llama", ",\"attention_bias\":true"), "bias") == attention);
  CHECK(parameters_ending(of_type("llama", ",\"mlp_bias\":true"), "bias") == mlp);
  CHECK(parameters_ending(of_type("mistral"), "bias").empty());
  CHECK(parameters_ending(of_type("qwen2"), "bias") == qkv);
  CHECK(parameters_ending(of_type("qwen3"), "bias").empty());
  CHECK(parameters_ending(of_type("qwen3", ",\"attention_bias\":true"), "bias") == attention);
  for (const Family& family : families())
    CHECK(parameters_ending(of_type(family.model_type), "q_norm.weight").size() ==
          (std::string(family.model_type) == "qwen3" ? 1 : 0));
}

TEST_CASE("family: a key of another family, or a value it cannot have, is refused by name") {
  for (const char* type : {"mistral", "qwen2"})
    CHECK(error_of([&] { of_type(type, ",\"attention_bias\":true"); }) ==
          "c: attention_bias is true, expected false: in this family no key gives these layers biases");
  for (const char* type : {"mistral", "qwen2", "qwen3"})
    CHECK(error_of([&] {
            of_type(type, ",\"mlp_bias\":true");
          }).starts_with("c: mlp_bias is true, expected false"));
  CHECK(error_of([] { of_type("llama", ",\"attention_bias\":1"); }) ==
        "c: attention_bias is 1, expected true or false");
  CHECK(error_of([] { of_type("qwen2", ",\"dual_chunk_attention_config\":{\"chunk_size\":4}"); })
            .starts_with(
                "c: \"dual_chunk_attention_config\" is {\"chunk_size\":4}, and this program does not know"));
  LlamaConfig made = of_type("mistral");
  made.attention_bias = true;
  CHECK(error_of([&] { to_json(made); }) == "config: attention_bias is true, expected false in a mistral");
  made = of_type("qwen3");
  made.mlp_bias = true;
  CHECK(error_of([&] { to_json(made); }) == "config: mlp_bias is true, expected false in a qwen3");
}

TEST_CASE("family: the name decides, and must not be contradicted") {
  CHECK(parse(R"({"architectures":["Qwen3ForCausalLM"]})").family->model_type == std::string("qwen3"));
  CHECK(error_of([] { parse(R"({"model_type":"gemma"})"); }) ==
        "c: model_type is \"gemma\", expected \"llama\", \"mistral\", \"qwen2\" or \"qwen3\"");
  CHECK(error_of([] { parse(R"({"model_type":"mistral","architectures":["LlamaForCausalLM"]})"); }) ==
        "c: architectures is [\"LlamaForCausalLM\"], expected [\"MistralForCausalLM\"]");
  CHECK(error_of([] {
          parse(R"({"architectures":["Qwen2ForCausalLM","Qwen2ForCausalLM"]})");
        }).starts_with("c: architectures is [\"Qwen2ForCausalLM\",\"Qwen2ForCausalLM\"], expected "));
}

TEST_CASE("family: what is written is the family's, and reads back as the same model") {
  for (const Family& family : families()) {
    CAPTURE(family.model_type);
    LlamaConfig c = of_type(family.model_type);
    c.attention_bias = family.attention_bias;
    c.mlp_bias = family.mlp_bias;
    for (const bool raw : {true, false}) {
      if (!raw) c.raw = Json::object();
      const Json written = to_json(c);
      CHECK(written["model_type"] == family.model_type);
      CHECK(written["architectures"] == Json::array({family.architecture}));
      const LlamaConfig again = config_from_json(written, "c");
      CHECK(again.family == &family);
      CHECK(Llama::parameter_shapes(again) == Llama::parameter_shapes(c));
      CHECK(own_attention_text(again) == own_attention_text(c));
    }
  }
  LlamaConfig off = of_type("llama", ",\"attention_bias\":true");
  off.attention_bias = false;
  CHECK(to_json(off)["attention_bias"] == false);
}

TEST_CASE("family: config.json as models of each are published") {
  const auto same = [](const std::string& text, const std::string& own) {
    const LlamaConfig c = parse(text);
    CHECK(own_attention_text(c) == own);
    return c;
  };
  // Mistral-7B-v0.1, Mistral-Nemo, Qwen2.5-0.5B, Qwen3-0.6B, SmolLM2-135M
  same(R"({"architectures":["MistralForCausalLM"],"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu",
    "hidden_size":4096,"initializer_range":0.02,"intermediate_size":14336,"max_position_embeddings":32768,
    "model_type":"mistral","num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,
    "rms_norm_eps":1e-05,"rope_theta":10000.0,"sliding_window":4096,"tie_word_embeddings":false,
    "torch_dtype":"bfloat16","transformers_version":"4.34.0.dev0","use_cache":true,"vocab_size":32000})",
       "window(chunk=4096)");
  same(R"({"architectures":["MistralForCausalLM"],"attention_dropout":0.0,"bos_token_id":1,"eos_token_id":2,
    "head_dim":128,"hidden_act":"silu","hidden_size":5120,"initializer_range":0.02,"intermediate_size":14336,
    "max_position_embeddings":131072,"model_type":"mistral","num_attention_heads":32,"num_hidden_layers":40,
    "num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_theta":1000000.0,"sliding_window":null,
    "tie_word_embeddings":false,"torch_dtype":"bfloat16","use_cache":true,"vocab_size":131072})",
       "full");
  const LlamaConfig qwen = same(
      R"({"architectures":["Qwen2ForCausalLM"],"attention_dropout":0.0,"bos_token_id":151643,
    "eos_token_id":151643,"hidden_act":"silu","hidden_size":896,"initializer_range":0.02,
    "intermediate_size":4864,"max_position_embeddings":32768,"max_window_layers":24,"model_type":"qwen2",
    "num_attention_heads":14,"num_hidden_layers":24,"num_key_value_heads":2,"rms_norm_eps":1e-06,
    "rope_theta":1000000.0,"sliding_window":32768,"tie_word_embeddings":true,"torch_dtype":"bfloat16",
    "transformers_version":"4.40.1","use_cache":true,"use_mrope":false,"use_sliding_window":false,
    "vocab_size":151936})",
      "full");
  CHECK(qwen.head_dim == 64);
  CHECK(qwen.qkv_bias());
  CHECK(!qwen.o_bias());
  const LlamaConfig qwen3 = same(
      R"({"architectures":["Qwen3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,
    "bos_token_id":151643,"eos_token_id":151645,"head_dim":128,"hidden_act":"silu","hidden_size":1024,
    "initializer_range":0.02,"intermediate_size":3072,"max_position_embeddings":40960,"max_window_layers":28,
    "model_type":"qwen3","num_attention_heads":16,"num_hidden_layers":28,"num_key_value_heads":8,
    "rms_norm_eps":1e-06,"rope_scaling":null,"rope_theta":1000000,"sliding_window":null,
    "tie_word_embeddings":true,"torch_dtype":"bfloat16","use_cache":true,"use_sliding_window":false,
    "vocab_size":151936})",
      "full");
  CHECK(qwen3.family->head_norm);
  same(
      R"({"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":0,
    "eos_token_id":0,"hidden_act":"silu","hidden_size":576,"initializer_range":0.041666666666666664,
    "intermediate_size":1536,"is_llama_config":true,"max_position_embeddings":8192,"mlp_bias":false,
    "model_type":"llama","num_attention_heads":9,"num_hidden_layers":30,"num_key_value_heads":3,
    "pretraining_tp":1,"rms_norm_eps":1e-05,"rope_interleaved":false,"rope_scaling":null,"rope_theta":100000,
    "tie_word_embeddings":true,"torch_dtype":"bfloat16","use_cache":true,"vocab_size":49152,
    "transformers.js_config":{"kv_cache_dtype":{"q4f16":"float16"}}})",
      "full");
}
