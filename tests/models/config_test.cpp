#include "models/config.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/check.h"
#include "core/file.h"
#include "models/rope_lengths.h"
#include "nn/rope_types.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

LlamaConfig parse(const std::string& text) { return config_from_json(parse_json(text, "c"), "c"); }

/// The error on a config with these fields, without "c: ".
std::string error_on(const std::string& fields) {
  const std::string error = error_of([&] { parse("{\"model_type\":\"llama\"," + fields + "}"); });
  return error.rfind("c: ", 0) == 0 ? error.substr(3) : error;
}

Json golden_rope() {
  const std::string path = SCCA_SOURCE_DIR "/tests/golden/rope.json";
  return parse_json(read_text_file(path), path);
}

}  // namespace

TEST_CASE("config: stories260K is read") {
  const LlamaConfig c = read_config(SCCA_SOURCE_DIR "/tests/data/stories260K");
  CHECK(c.vocab_size == 512);
  CHECK(c.hidden_size == 64);
  CHECK(c.intermediate_size == 172);
  CHECK(c.num_hidden_layers == 5);
  CHECK(c.num_attention_heads == 8);
  CHECK(c.num_key_value_heads == 4);
  CHECK(c.head_dim == 8);
  CHECK(c.max_position_embeddings == 512);
  CHECK(rope_lengths(c).made_for == 512);
  CHECK(c.rms_norm_eps == 1e-5);
  CHECK(c.tie_word_embeddings);
  CHECK(c.bos_token_id == 1);
  CHECK(c.eos_token_ids == std::vector<int64_t>{2});
  CHECK(c.rope.type == RopeType::none);
  CHECK(c.rope.theta == 10000);
  CHECK(c.rope.original_length == 512);
  CHECK(c.torch_dtype == "float32");
}

TEST_CASE("config: what is absent is as transformers has it") {
  const LlamaConfig c = parse(R"({"model_type":"llama"})");
  CHECK(c.vocab_size == 32000);
  CHECK(c.hidden_size == 4096);
  CHECK(c.intermediate_size == 11008);
  CHECK(c.num_key_value_heads == 32);
  CHECK(c.head_dim == 128);
  CHECK(c.max_position_embeddings == 2048);
  CHECK(c.rms_norm_eps == 1e-6);
  CHECK(!c.tie_word_embeddings);
  CHECK(c.eos_token_id() == 2);
  CHECK(c.rope.theta == 10000);
  const LlamaConfig d =
      parse(R"({"architectures":["LlamaForCausalLM"],"num_attention_heads":4,"hidden_size":40,
    "head_dim":null,"num_key_value_heads":null,"bos_token_id":null,"eos_token_id":[5,7],"dtype":"bfloat16"})");
  CHECK(d.head_dim == 10);
  CHECK(d.num_key_value_heads == 4);
  CHECK(d.bos_token_id == -1);
  CHECK(d.eos_token_ids == std::vector<int64_t>{5, 7});
  CHECK(d.torch_dtype == "bfloat16");
  CHECK(parse(R"({"model_type":"llama","eos_token_id":null})").eos_token_id() == -1);
}

// transformers computes in f32: each frequency is within a few roundings of it, and pow and the yarn and
// llama3 blends add a few more.
TEST_CASE(
    "config: RoPE frequencies equal transformers' for every type, from both forms and after a rewrite") {
  const Json golden = golden_rope();
  REQUIRE(golden["cases"].size() > 20);
  for (const Json& entry : golden["cases"]) {
    const std::string name = entry["name"].get<std::string>();
    CAPTURE(name);
    const LlamaConfig newer = config_from_json(entry["config"], name);
    const LlamaConfig older = config_from_json(entry["old_config"], name);
    CHECK(newer.rope == older.rope);
    const LlamaConfig rewritten = config_from_json(to_json(newer), name);
    CHECK(rewritten.rope == newer.rope);
    const int64_t tokens = entry["tokens"].get<int64_t>();
    const RopeFrequencies got = inverse_frequencies(newer.rope, newer.head_dim, tokens);
    const auto expected = entry["inverse_frequencies"].get<std::vector<double>>();
    REQUIRE(got.inverse.size() == expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      CHECK(std::abs(got.inverse[i] - expected[i]) <= 8 * 0x1p-24 * expected[i]);
    CHECK(got.magnitude == doctest::Approx(entry["attention_factor"].get<double>()).epsilon(1e-12));
  }
}

TEST_CASE("config: what is written is read back, in both forms, and keys that mean nothing here stay") {
  const TemporaryFolder folder;
  LlamaConfig c =
      parse(R"({"model_type":"llama","hidden_size":64,"num_attention_heads":4,"num_key_value_heads":2,
    "vocab_size":100,"task_specific_params":{"by":"me"},"pad_token_id":0,"transformers_version":"4.40.0","dtype":"bfloat16",
    "max_position_embeddings":256,"rope_theta":500.0})");
  c = with_rope(c, {.type = RopeType::linear, .factor = 8}, 2048);
  CHECK(c.max_position_embeddings == 256);
  CHECK(rope_lengths(c).made_for == 2048);
  write_config(folder.path(), c);
  CHECK(folder.names() == std::vector<std::string>{"config.json"});
  const LlamaConfig back = read_config(folder.path());
  CHECK(read_config(folder / "config.json").rope == back.rope);
  CHECK(to_json(back) == to_json(c));
  CHECK(back.rope == c.rope);
  CHECK(back.raw["task_specific_params"] == Json{{"by", "me"}});
  CHECK(back.raw["pad_token_id"] == 0);
  CHECK(back.raw["torch_dtype"] == "bfloat16");
  CHECK(!back.raw.contains("dtype"));
  CHECK(back.raw["rope_theta"] == 500.0);
  // transformers before 4.43 takes these two keys and no third.
  CHECK(back.raw["rope_scaling"] == Json{{"type", "linear"}, {"factor", 8.0}});
  CHECK(back.raw["rope_parameters"] == Json{{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 500.0}});
  CHECK(config_from_json(to_json(LlamaConfig{.rope = {.original_length = 2048}}), "c").hidden_size == 4096);
}

TEST_CASE("config: with_rope says in max_position_embeddings what readers of each type expect") {
  const LlamaConfig base =
      parse(R"({"model_type":"llama","max_position_embeddings":256,"rope_theta":500.0})");
  const std::vector<double> ones(64, 1.0);
  const std::vector<std::pair<RopeType, int64_t>> lengths = {
      {RopeType::none, 256},  {RopeType::linear, 256},  {RopeType::dynamic, 256},  {RopeType::ntk, 1024},
      {RopeType::yarn, 1024}, {RopeType::llama3, 1024}, {RopeType::longrope, 1024}};
  for (const auto& [type, length] : lengths) {
    CAPTURE(name_of(type));
    const LlamaConfig c =
        with_rope(base, {.type = type, .factor = 4, .short_factor = ones, .long_factor = ones}, 1024);
    CHECK(c.max_position_embeddings == length);
    CHECK(c.rope.original_length == 256);
    CHECK(c.rope.theta == 500);
    // Whoever reads the file computes the same.
    const LlamaConfig back = config_from_json(to_json(c), "c");
    const auto ours = inverse_frequencies(c.rope, c.head_dim, 900);
    const auto theirs = inverse_frequencies(back.rope, back.head_dim, 900);
    CHECK(ours.inverse == theirs.inverse);
    CHECK(ours.magnitude == theirs.magnitude);
    if (type == RopeType::yarn || type == RopeType::llama3 || type == RopeType::longrope)
      CHECK(back.raw["rope_scaling"]["original_max_position_embeddings"] == 256);
  }
  const Json ntk = to_json(with_rope(base, {.type = RopeType::ntk, .factor = 4}, 1024));
  CHECK(ntk["rope_scaling"].is_null());
  CHECK(ntk["rope_theta"].get<double>() == ntk_theta(500, 4, 128));
}

TEST_CASE("config: whoever reads an exported config computes the same, at every width, factor and length") {
  for (const int64_t head_dim : {4, 10, 64, 128}) {
    const Json json{{"model_type", "llama"}, {"hidden_size", 4 * head_dim}, {"num_attention_heads", 4},
                    {"head_dim", head_dim},  {"rope_theta", 500.0},         {"max_position_embeddings", 96}};
    const LlamaConfig base = config_from_json(json, "c");
    const std::vector<double> near(static_cast<size_t>(head_dim / 2), 1.25), far(near.size(), 3.5);
    for (const RopeRow& row : rope_rows()) {
      const RopeType type = row.type;
      for (const double factor : {1.0, 2.5, 4.0, 8.0}) {
        CAPTURE(head_dim);
        CAPTURE(std::string(row.name));
        CAPTURE(factor);
        // A context that is not the factor times the pretrained length: --rope-factor and --context are
        // apart.
        const LlamaConfig c =
            with_rope(base, {.type = type, .factor = factor, .short_factor = near, .long_factor = far}, 333);
        const Json written = to_json(c);
        Json older = written, newer = written, renamed = written;
        older.erase("rope_parameters");
        for (const char* key : {"rope_scaling", "rope_theta"}) newer.erase(key);
        if (renamed["rope_scaling"].is_object()) {
          Json& scaling = renamed["rope_scaling"];
          const char* key = scaling.contains("type") ? "type" : "rope_type";
          const Json name = scaling[key];
          scaling.erase(key);
          scaling[std::string(key) == "type" ? "rope_type" : "type"] = name;
        }
        for (const int64_t tokens : {1, 95, 96, 97, 700}) {
          const RopeFrequencies ours = inverse_frequencies(c.rope, head_dim, tokens);
          for (const Json& form : {written, older, newer, renamed}) {
            const LlamaConfig back = config_from_json(form, "c");
            const RopeFrequencies theirs = inverse_frequencies(back.rope, back.head_dim, tokens);
            CHECK(theirs.inverse == ours.inverse);
            CHECK(theirs.magnitude == ours.magnitude);
          }
        }
        if (type == RopeType::linear) {
          CHECK(written["original_max_position_embeddings"] == 96);  // there is no other place for it
          CHECK(written["max_position_embeddings"] == 96);
        } else if (type == RopeType::yarn || type == RopeType::longrope) {
          // What transformers 4.51 to 4.57 scale by; longrope's original length they take from the top.
          const Json& original = type == RopeType::yarn
                                     ? written["rope_scaling"]["original_max_position_embeddings"]
                                     : written["original_max_position_embeddings"];
          CHECK(original == 96);
          CHECK(written["max_position_embeddings"].get<double>() == 96 * factor);
        } else {
          CHECK(!written.contains("original_max_position_embeddings"));
        }
      }
    }
  }
}

TEST_CASE("config: settings that are not implemented are refused with key, found and expected") {
  CHECK(error_of([] { parse("[]"); }) == "c: [], expected a JSON object");
  CHECK(error_of([] { parse("{}"); }) ==
        "c: no model_type, expected \"llama\", \"mistral\", \"qwen2\" or \"qwen3\"");
  CHECK(error_on("\"architectures\":[\"LlamaForTokenClassification\"]") ==
        "architectures is [\"LlamaForTokenClassification\"], expected [\"LlamaForCausalLM\"]");
  CHECK(error_on("\"hidden_act\":\"gelu\"") == "hidden_act is \"gelu\", expected \"silu\"");
  CHECK(error_on("\"attention_dropout\":0.1") ==
        "attention_dropout is 0.1, expected 0: dropout of attention weights is not implemented");
  CHECK(error_on("\"quantization_config\":{\"bits\":4}") ==
        "quantization_config is {\"bits\":4}, expected none: quantised weights are not read");
  CHECK(error_on("\"attention_dropout\":0.0,\"quantization_config\":null,\"hidden_act\":\"silu\"") ==
        "no error");
}

TEST_CASE("config: sizes that cannot be") {
  CHECK(error_on("\"hidden_size\":0") == "hidden_size is 0, expected 1 to 2147483647");
  CHECK(error_on("\"num_hidden_layers\":-1") == "num_hidden_layers is -1, expected 1 to 2147483647");
  CHECK(error_on("\"vocab_size\":99999999999") == "vocab_size is 99999999999, expected 1 to 2147483647");
  CHECK(error_on("\"vocab_size\":18446744073709551615") ==
        "vocab_size is 18446744073709551615, expected an integer");
  CHECK(error_on("\"num_hidden_layers\":16385") == "num_hidden_layers is 16385, expected at most 16384");
  CHECK(error_on("\"num_hidden_layers\":16384") == "no error");
  const std::string large = error_on("\"vocab_size\":2147483647,\"hidden_size\":2147483646,\"head_dim\":2");
  CHECK(large.starts_with("the sizes make a model of 9.22"));
  CHECK(large.ends_with("e+18 parameters, expected at most 2.81475e+14; is one of them mistyped?"));
  CHECK(error_on("\"vocab_size\":\"many\"") == "vocab_size is \"many\", expected an integer");
  CHECK(error_on("\"vocab_size\":10.5") == "vocab_size is 10.5, expected an integer");
  CHECK(error_on("\"num_attention_heads\":0") ==
        "hidden_size is 4096, expected a multiple of num_attention_heads, 0 (or a head_dim)");
  CHECK(error_on("\"num_attention_heads\":3") ==
        "hidden_size is 4096, expected a multiple of num_attention_heads, 3 (or a head_dim)");
  CHECK(error_on("\"num_attention_heads\":8,\"num_key_value_heads\":3") ==
        "num_attention_heads is 8, expected a multiple of num_key_value_heads, 3");
  CHECK(error_on("\"head_dim\":7") ==
        "head_dim is 7, expected an even number: RoPE turns its components in pairs");
  CHECK(error_on("\"rms_norm_eps\":-1") == "rms_norm_eps is -1, expected a number from 0 up");
  CHECK(error_on("\"eos_token_id\":32000") == "eos_token_id is 32000, beyond the vocabulary of 32000");
  CHECK(error_on("\"bos_token_id\":-2") == "bos_token_id is -2, expected a token id");
  CHECK(error_on("\"tie_word_embeddings\":\"yes\"") ==
        "tie_word_embeddings is \"yes\", expected true or false");
}

TEST_CASE("config: RoPE settings that cannot be") {
  CHECK(error_on("\"rope_scaling\":{\"type\":\"magic\",\"factor\":2}") ==
        "rope_scaling: rope_type is \"magic\", expected default, linear, dynamic, yarn, llama3 or longrope");
  CHECK(error_on("\"rope_scaling\":{\"rope_type\":\"ntk\",\"factor\":2}").find("rope_type is \"ntk\"") !=
        std::string::npos);
  CHECK(error_on("\"rope_scaling\":{\"factor\":2}") == "rope_scaling: a factor but no rope_type");
  CHECK(error_on("\"rope_scaling\":{\"type\":\"linear\"}") == "rope_scaling: linear has no factor");
  CHECK(error_on("\"rope_scaling\":{\"type\":\"linear\",\"factor\":\"2\"}") ==
        "rope_scaling: factor is \"2\", expected a number");
  CHECK(error_on("\"rope_scaling\":{\"type\":\"linear\",\"rope_type\":\"yarn\",\"factor\":2}") ==
        "rope_scaling: rope_type is \"yarn\" but type is \"linear\"");
  CHECK(error_on("\"rope_scaling\":[2]") == "rope_scaling is [2], expected an object or null");
  CHECK(error_on("\"rope_scaling\":{\"type\":\"linear\",\"factor\":0.5}") ==
        "rope linear: factor is 0.5, expected at least 1");
  CHECK(error_on("\"rope_theta\":0") == "rope: theta is 0, expected a number above 0");
  CHECK(error_on("\"rope_theta\":1e999").rfind("not JSON: number overflow", 0) == 0);
  CHECK(error_on("\"rope_parameters\":{\"rope_type\":\"llama3\",\"factor\":8}") ==
        "rope_parameters: llama3 has no low_freq_factor");
  CHECK(error_on("\"partial_rotary_factor\":0.5") ==
        "partial_rotary_factor is 0.5, expected 1: turning a part of a head is not implemented");
  CHECK(error_on("\"rope_theta\":10000,\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":500}") ==
        "rope_theta is 10000 at the top but 500 with the scaling");
  CHECK(
      error_on(
          R"("rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_type":"linear","factor":4})") ==
      R"(rope_scaling is {"factor":2,"type":"linear"} but rope_parameters is {"factor":4,"rope_type":"linear"}; )"
      "expected the same settings");
}

TEST_CASE("config: files that cannot be read") {
  const TemporaryFolder folder;
  const std::string file = (folder / "config.json").string();
  CHECK(error_of([&] { read_config(folder.path()); }) == folder.path().string() + ": no config.json in it");
  write_file(file, "{\"model_type\":\"llama\",");
  CHECK(error_of([&] { read_config(folder.path()); }).rfind(file + ": not JSON: parse error at line 1", 0) ==
        0);
  write_file(file, "{\"model_type\":\"llama\",\"hidden_size\":8,\"hidden_size\":16}");
  CHECK(error_of([&] { read_config(folder.path()); }) == file + ": the key \"hidden_size\" comes twice");
}

TEST_CASE("config: a key that is not known is refused while it says something") {
  // What Granite, Gemma 2, Qwen 3 MoE, Cohere and OLMo compute otherwise.
  for (const std::string field :
       {"\"embedding_multiplier\":12.0", "\"logits_scaling\":8.0", "\"residual_multiplier\":0.22",
        "\"attention_multiplier\":0.015", "\"sliding_window\":4096", "\"final_logit_softcapping\":30.0",
        "\"attn_logit_softcapping\":50.0", "\"query_pre_attn_scalar\":256",
        "\"mlp_layer_types\":[\"sparse\"]", "\"use_qk_norm\":true", "\"logit_scale\":0.06",
        "\"clip_qkv\":8.0", "\"num_local_experts\":8", "\"rope_interleaved\":true", "\"bias\":true",
        "\"no_rope_layers\":[1]"}) {
    CAPTURE(field);
    const std::string error = error_on(field);
    CHECK(error.starts_with(field.substr(0, field.find(':')) + " is "));
    CHECK(error.find("this program does not know that field") != std::string::npos);
  }
  CHECK(error_on(R"("sliding_window":null,"rope_interleaved":false,"layer_types":[],"x":{},"y":"")") ==
        "no error");
}

TEST_CASE("config: every key that transformers writes for a LLaMA is known") {
  // LlamaConfig().to_dict() of transformers 5.24, and what 4.31 wrote beside it.
  CHECK(
      error_on(
          R"("transformers_version":"5.24.0","architectures":null,"output_hidden_states":false,"return_dict":true,
    "dtype":null,"chunk_size_feed_forward":0,"is_encoder_decoder":false,"id2label":{"0":"LABEL_0"},
    "label2id":{"LABEL_0":0},"problem_type":null,"hidden_act":"silu","use_cache":true,"pad_token_id":0,
    "pretraining_tp":1,"attention_bias":false,"attention_dropout":0.0,"mlp_bias":false,"_name_or_path":"x/y",
    "output_attentions":false,"torchscript":false,"use_bfloat16":false,"tf_legacy_loss":false,"pruned_heads":{},
    "is_decoder":false,"cross_attention_hidden_size":null,"add_cross_attention":false,"tie_encoder_decoder":false,
    "max_length":20,"min_length":0,"do_sample":false,"early_stopping":false,"num_beams":1,"num_beam_groups":1,
    "diversity_penalty":0.0,"temperature":1.0,"top_k":50,"top_p":1.0,"typical_p":1.0,"repetition_penalty":1.0,
    "length_penalty":1.0,"no_repeat_ngram_size":0,"encoder_no_repeat_ngram_size":0,"bad_words_ids":null,
    "num_return_sequences":1,"_attn_implementation_autoset":true)") == "no error");
}

TEST_CASE("config: generation_config.json says which tokens end a text, where it names any") {
  const TemporaryFolder folder;
  write_file(folder / "config.json", R"({"model_type":"llama","vocab_size":100,"eos_token_id":2})");
  const auto end_ids = [&](const std::string& generation) {
    write_file(folder / "generation_config.json", generation);
    return read_config(folder.path()).end_ids();
  };
  CHECK(read_config(folder.path()).end_ids() == std::vector<int64_t>{2});
  CHECK(end_ids(R"({"eos_token_id":[7,9]})") == std::vector<int64_t>{7, 9});
  CHECK(end_ids(R"({"eos_token_id":7})") == std::vector<int64_t>{7});
  CHECK(end_ids(R"({"eos_token_id":[100,9]})") == std::vector<int64_t>{9});  // no row of the model's
  CHECK(end_ids(R"({"eos_token_id":-1})") == std::vector<int64_t>{2});
  CHECK(end_ids(R"({"eos_token_id":[-1,9]})") == std::vector<int64_t>{9});
  CHECK(end_ids(R"({"eos_token_id":null})") == std::vector<int64_t>{2});
  CHECK(end_ids("{}") == std::vector<int64_t>{2});
  CHECK(to_json(read_config(folder.path()))["eos_token_id"] == 2);
  CHECK(error_of([&] { end_ids(R"({"eos_token_id":"</s>"})"); }) ==
        (folder / "generation_config.json").string() + ": eos_token_id is \"</s>\", expected a token id");
  CHECK(error_of([&] { end_ids("[]"); }).find("expected a JSON object") != std::string::npos);
}
