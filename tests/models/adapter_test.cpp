#include "models/adapter.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/file.h"
#include "core/random.h"
#include "models/weights.h"
#include "nn/json.h"
#include "tests/op_check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

std::string base(const std::string& name) { return std::string(SCCA_SOURCE_DIR) + "/tests/golden/" + name; }

const Tensor kIds = Tensor::of<int32_t>({3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7}, {2, 7});

AdapterInfo info_of(int64_t rank, std::set<std::string> trained) {
  AdapterInfo info;
  info.lora.rank = rank;
  info.trained = std::move(trained);
  info.base_model = "somewhere";
  return info;
}

/// An adapter as after some training: B, the embedding and the norms have moved.
Llama trained(const std::string& name, const AdapterInfo& info) {
  Llama model = Llama::load(base(name));
  set_random_state({9, 0});
  model.add_lora(info.lora);
  model.set_trainable(info.trained);
  model.for_each_parameter([](const std::string&, Tensor& weight) {
    if (weight.requires_grad()) fill_uniform(weight, -0.2, 0.3);
  });
  return model;
}

}  // namespace

TEST_CASE("adapter: saved and put onto a fresh base it gives the same bits") {
  for (const std::string name : {"mha_untied", "gqa_tied", "head_dim"}) {
    for (const bool stabilised : {false, true}) {
      CAPTURE(name);
      const TemporaryFolder folder;
      AdapterInfo info = info_of(3, {"embed", "norm"});
      info.lora.alpha = 5;
      info.lora.dropout = 0.1;
      info.lora.rank_stabilised = stabilised;
      info.lora.targets = {"q_proj", "v_proj", "up_proj"};
      Llama model = trained(name, info);
      const LlamaConfig longer = with_rope(model.config, {.type = RopeType::linear, .factor = 4}, 128);
      model.set_rope(longer.rope, longer.max_position_embeddings);
      save_adapter(model, info, folder.path().string());
      Llama fresh = Llama::load(base(name));
      const AdapterInfo read = load_adapter(fresh, folder.path().string());
      CHECK(same_bits(model.logits(kIds), fresh.logits(kIds)));
      CHECK(read.lora.rank == 3);
      CHECK(read.lora.alpha == 5);
      CHECK(read.lora.rank_stabilised == stabilised);
      CHECK(read.lora.targets == info.lora.targets);
      CHECK(read.trained == info.trained);
      CHECK(fresh.config.rope.type == RopeType::linear);
      CHECK(fresh.config.rope.factor == 4);
    }
  }
}

TEST_CASE("adapter: a tied model's holds its head too, for PEFT") {
  const TemporaryFolder folder;
  const AdapterInfo info = info_of(2, {"embed"});
  Llama model = trained("gqa_tied", info);
  save_adapter(model, info, folder.path().string());
  const Weights weights(folder / "adapter_model.safetensors");
  CHECK(same_bits(weights.load("base_model.model.lm_head.weight", DType::f32),
                  weights.load("base_model.model.model.embed_tokens.weight", DType::f32)));
  const Json config = parse_json(read_text_file(folder / "adapter_config.json"), "adapter_config.json");
  CHECK(config["ensure_weight_tying"] == true);
  CHECK(config["modules_to_save"] == Json{"embed_tokens", "lm_head"});
}

TEST_CASE("adapter: what does not fit its base is named") {
  const TemporaryFolder folder;
  const AdapterInfo info = info_of(2, {"norm"});
  Llama model = trained("gqa_tied", info);
  const std::string path = folder.path().string();
  save_adapter(model, info, path);
  const auto error = [&](const std::string& name) {
    Llama other = Llama::load(base(name));
    return error_of([&] { load_adapter(other, path); });
  };
  CHECK(error("gqa_tied") == "no error");
  CHECK(error("head_dim").find("base_model.model.model.layers.0") != std::string::npos);
  Json config = parse_json(read_text_file(folder / "adapter_config.json"), "adapter_config.json");
  config["use_dora"] = true;
  write_file(folder / "adapter_config.json", config.dump());
  CHECK(error("gqa_tied").find("use_dora") != std::string::npos);
  std::filesystem::remove(folder / "adapter_config.json");
  CHECK(error("gqa_tied").find("adapter_config.json") != std::string::npos);
}

// tests/golden/adapters: PEFT's own, with the logits that PEFT has with each.
TEST_CASE("adapter: each kind that PEFT writes gives PEFT's logits") {
  const std::string folder = base("adapters");
  const Weights golden(folder + "/logits.safetensors");
  const Json json = parse_json(read_text_file(base("gqa_tied/ids.json")), "ids.json");
  const auto row = json["ids"][0].get<std::vector<int32_t>>();
  const Tensor ids = Tensor::of(row, {1, std::ssize(row)});
  for (const std::string name :
       {"embed_only", "head_only", "embed_and_head", "embed_tied", "embed_stored", "rank_pattern",
        "rank_regex", "lora_embed", "lora_head", "lora_embed_and_head", "default_keys", "one_layer",
        "gaussian", "orthogonal"}) {
    CAPTURE(name);
    Llama model = Llama::load(base("gqa_tied"), DType::f64);
    load_adapter(model, folder + "/" + name);
    CHECK(model.config.tie_word_embeddings == !std::set<std::string>{"embed_only", "head_only",
                                                                     "embed_and_head", "lora_embed",
                                                                     "lora_head", "lora_embed_and_head"}
                                                   .contains(name));
    const Tensor expected = golden.load(name, DType::f64), ours = model.logits(ids);
    double largest = 0;
    for (const double value : expected.to_vector<double>()) largest = std::max(largest, std::abs(value));
    // The golden's rounding to f32; an updated embedding or head is a sum that is rounded to f32 once more.
    const double roundings = name.starts_with("lora_") ? 8 : 1;
    CHECK(max_difference(ours, expected) <= largest * 0x1p-23 * roundings + 1e-12);
    // Merged it is the same function, tied or not.
    const TemporaryFolder merged;
    model.merge_lora();
    model.save(merged.path().string(), stored_float("f32"));
    CHECK(max_difference(Llama::load(merged.path().string(), DType::f64).logits(ids), expected) <=
          largest * 0x1p-19);
  }
}

TEST_CASE("adapter: a start that changed the base is refused") {
  for (const std::string name : {"pissa_untrained", "olora_untrained"}) {
    Llama model = Llama::load(base("gqa_tied"));
    const std::string error = error_of([&] { load_adapter(model, base("adapters/") + name); });
    CHECK(error.find("init_lora_weights is ") != std::string::npos);
    CHECK(error.find("path_initial_model_for_weight_conversion") != std::string::npos);
  }
}

TEST_CASE("adapter: a file that lacks what its config names is refused") {
  const TemporaryFolder folder;
  const auto error_without = [&](const std::string& name, const std::string& lost) {
    const std::string from = base("adapters/") + name;
    const Weights weights(from + "/adapter_model.safetensors");
    std::vector<std::pair<std::string, Tensor>> kept;
    for (const std::string& key : weights.names())
      if (key.find(lost) == std::string::npos) kept.emplace_back(key, weights.load(key, DType::f32));
    write_safetensors(folder / "adapter_model.safetensors", kept);
    write_file(folder / "adapter_config.json", read_text_file(from + "/adapter_config.json"));
    Llama model = Llama::load(base("gqa_tied"));
    return error_of([&] { load_adapter(model, folder.path()); });
  };
  CHECK(error_without("one_layer", "nothing is lost") == "no error");
  CHECK(error_without("one_layer", "lora_B")
            .find("no tensor \"base_model.model.model.layers.1.self_attn.q_proj.lora_B") !=
        std::string::npos);
  CHECK(error_without("gaussian", "layers.1.self_attn.v_proj").find("targets that layer") !=
        std::string::npos);
  CHECK(error_without("embed_only", "embed_tokens").find("no base_model.model.model.embed_tokens.weight") !=
        std::string::npos);
  CHECK(error_without("embed_and_head", "lm_head").find("no base_model.model.lm_head.weight") !=
        std::string::npos);
  CHECK(error_without("embed_tied", "lm_head") == "no error");  // one stands for both
}

TEST_CASE("adapter: of a config.json beside it RoPE and length are read, not how the base was held") {
  const TemporaryFolder folder;
  const LlamaConfig own = read_config(base("gqa_tied"));
  Json json = to_json(own);
  json["quantization_config"] = {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}};
  json["rope_parameters"]["rope_theta"] = json["rope_theta"] = 500.0;
  json["max_position_embeddings"] = 1234;
  write_file(folder / "adapter_config.json", "{}");
  write_file(folder / "adapter_model.safetensors", "");
  const auto read = [&] {
    write_file(folder / "config.json", json.dump());
    return with_rope_of_adapter(own, folder.path());
  };
  CHECK(read().rope.theta == 500);
  CHECK(read().max_position_embeddings == 1234);
  CHECK(read().hidden_size == own.hidden_size);
  json.erase("max_position_embeddings");
  CHECK(read().max_position_embeddings == 2048);  // a LLaMA's, as everywhere
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, Json>>{
           {"model_type", "gpt2"}, {"max_position_embeddings", 0}, {"rope_theta", -1}}) {
    CAPTURE(std::string(key));
    const Json before = json;
    json[key] = value;
    if (json.contains("rope_theta")) json["rope_parameters"]["rope_theta"] = json["rope_theta"];
    CHECK(error_of(read).starts_with((folder / "config.json").string() + ": "));
    json = before;
  }
  json = Json::array();
  CHECK(error_of(read).find("expected a JSON object") != std::string::npos);
}

TEST_CASE("adapter: biases that learn are refused where the file holds any; a base without has none") {
  const TemporaryFolder folder;
  const std::string from = base("adapters/gaussian/");
  const Weights weights(from + "adapter_model.safetensors");
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const std::string& key : weights.names()) tensors.emplace_back(key, weights.load(key, DType::f32));
  const auto error_with = [&](const char* bias) {
    Json config = parse_json(read_text_file(from + "adapter_config.json"), "c");
    config["bias"] = bias;
    write_file(folder / "adapter_config.json", config.dump());
    write_safetensors(folder / "adapter_model.safetensors", tensors);
    Llama model = Llama::load(base("gqa_tied"));
    return error_of([&] { load_adapter(model, folder.path()); });
  };
  for (const char* bias : {"none", "all", "lora_only"}) CHECK(error_with(bias) == "no error");
  const std::string name = "base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias";
  tensors.emplace_back(name, Tensor::full({24}, 1));
  for (const char* bias : {"all", "lora_only"})
    CHECK(error_with(bias) == (folder / "adapter_model.safetensors").string() + ": holds \"" + name +
                                  "\": learning biases (bias of adapter_config.json) are not read. Merge the "
                                  "adapter with PEFT (merge_and_unload) and give the merged model");
  CHECK(error_with("none").find("has no place in this base model") != std::string::npos);
}

TEST_CASE("adapter: a stored update that the config leaves out is refused, as PEFT would not use it") {
  const TemporaryFolder folder;
  const std::string from = base("adapters/gaussian/");
  std::filesystem::copy_file(from + "adapter_model.safetensors", folder / "adapter_model.safetensors");
  const auto error_with = [&](const char* key, const Json& value) {
    Json config = parse_json(read_text_file(from + "adapter_config.json"), "c");
    config[key] = value;
    write_file(folder / "adapter_config.json", config.dump());
    Llama model = Llama::load(base("gqa_tied"));
    return error_of([&] { load_adapter(model, folder.path()); });
  };
  CHECK(error_with("target_modules", {"v_proj"}) ==
        (folder / "adapter_model.safetensors").string() +
            ": base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight, but by target_modules of "
            "adapter_config.json that layer has no update, and PEFT would leave it out: correct "
            "target_modules or remove the layer's tensors");
  CHECK(error_with("target_modules", ".*v_proj").find("by target_modules of") != std::string::npos);
  CHECK(error_with("exclude_modules", {"q_proj"}).find("by exclude_modules of") != std::string::npos);
  CHECK(error_with("layers_to_transform", {1}).find("by layers_to_transform of") != std::string::npos);
  CHECK(error_with("target_modules", R"(.*\b(q|v)_proj)") == "no error");
  CHECK(error_with("target_modules", ".*(q|v|k)_proj").find("targets that layer") != std::string::npos);
}

TEST_CASE("adapter: an update of the embedding or the head that is not whole, or tied, is refused") {
  const TemporaryFolder folder;
  const auto error = [&](const std::vector<std::pair<std::string, Shape>>& tensors,
                         const std::string& more = "") {
    std::vector<std::pair<std::string, Tensor>> stored;
    for (const auto& [key, shape] : tensors)
      stored.emplace_back("base_model.model." + key, Tensor::full(shape, static_cast<double>(stored.size())));
    write_safetensors(folder / "adapter_model.safetensors", stored);
    write_file(folder / "adapter_config.json", R"({"peft_type":"LORA","r":2,"lora_alpha":4)" + more + "}");
    Llama model = Llama::load(base("gqa_tied"));
    return error_of([&] { load_adapter(model, folder.path()); });
  };
  const std::string embed = "model.embed_tokens.", head = "lm_head.";
  CHECK(error({{head + "lora_A.weight", {2, 24}}, {head + "lora_B.weight", {40, 2}}}) == "no error");
  CHECK(error({{head + "lora_A.weight", {2, 24}}})
            .find("no tensor \"base_model.model.lm_head.lora_B.weight\"") != std::string::npos);
  CHECK(error({{embed + "lora_embedding_A", {2, 24}}, {embed + "lora_embedding_B", {24, 2}}})
            .find("expected [2, 40]") != std::string::npos);
  CHECK(error({{embed + "lora_embedding_A", {2, 40}}, {embed + "lora_embedding_B", {24, 2}}},
              R"(,"ensure_weight_tying":true)")
            .find("merge the adapter with PEFT (merge_and_unload)") != std::string::npos);
  CHECK(error({{embed + "base_layer.weight", {40, 24}}, {head + "base_layer.weight", {40, 24}}})
            .find("the base ties the two") != std::string::npos);
  CHECK(error({}, R"(,"target_modules":["embed_tokens"])").find("targets that layer") != std::string::npos);
  CHECK(error({}, R"(,"target_modules":["lm_head"])").find("targets that layer") != std::string::npos);
  const std::string q = "model.layers.0.self_attn.q_proj.lora_A.";
  CHECK(error({{q + "weight", {2, 24}}, {q + "default.weight", {2, 24}}})
            .find("the same tensor under two names") != std::string::npos);
  CHECK(error({{q + "other.weight", {2, 24}}}).find("has no place in this base model") != std::string::npos);
}
