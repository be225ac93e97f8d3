#include "models/adapter.h"

#include <filesystem>

#include "core/file.h"
#include "models/json.h"
#include "models/safetensors.h"
#include "models/weights.h"
#include "ops/cast.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

const std::string kPrefix = "base_model.model.";
const std::string kEmbedding = "model.embed_tokens.weight", kHead = "lm_head.weight";

/// PEFT's modules_to_save match by the end of a module's name: "norm" is all 2 L + 1 of them.
std::vector<std::string> modules_to_save(const AdapterInfo& info, bool tied) {
  std::vector<std::string> modules;
  if (info.trained.contains("embed")) modules.push_back("embed_tokens");
  if (info.trained.contains("norm")) modules.push_back("norm");
  if (info.trained.contains("head") || (tied && info.trained.contains("embed"))) modules.push_back("lm_head");
  return modules;
}

Json adapter_config(const AdapterInfo& info, bool tied) {
  const auto modules = modules_to_save(info, tied);
  return {{"peft_type", "LORA"},
          {"task_type", "CAUSAL_LM"},
          {"base_model_name_or_path", info.base_model},
          {"inference_mode", true},
          {"r", info.lora.rank},
          {"lora_alpha", info.lora.alpha},
          {"lora_dropout", info.lora.dropout},
          {"use_rslora", info.lora.rank_stabilised},
          {"target_modules", info.lora.targets},
          {"modules_to_save", modules.empty() ? Json(nullptr) : Json(modules)},
          {"ensure_weight_tying", tied && info.trained.contains("embed")},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"init_lora_weights", true},
          {"layers_to_transform", nullptr},
          {"rank_pattern", Json::object()},
          {"alpha_pattern", Json::object()}};
}

/// Settings of PEFT that would make the adapter another function than ours.
void refuse_foreign(const Json& config, const std::string& file) {
  const auto expect = [&](const char* key, const Json& wanted) {
    if (config.contains(key) && !config[key].is_null() && config[key] != wanted) {
      fail(file, ": ", key, " is ", config[key].dump(), ", this reader knows ", wanted.dump());
    }
  };
  expect("peft_type", "LORA");
  expect("bias", "none");
  expect("use_dora", false);
  expect("fan_in_fan_out", false);
  expect("lora_bias", false);
  for (const char* key : {"rank_pattern", "alpha_pattern"}) expect(key, Json::object());
  for (const char* key : {"layer_replication", "trainable_token_indices", "target_parameters"})
    expect(key, nullptr);
}

/// The words of --train that modules_to_save stands for. PEFT also writes dotted names
/// ("model.embed_tokens"), and lists lm_head for a tied embedding.
std::set<std::string> trained_parts(const Json& config) {
  std::set<std::string> parts;
  if (!config.contains("modules_to_save") || config["modules_to_save"].is_null()) return parts;
  for (const std::string& module : config["modules_to_save"].get<std::vector<std::string>>()) {
    if (module.ends_with("embed_tokens")) parts.insert("embed");
    if (module.ends_with("norm")) parts.insert("norm");
    if (module.ends_with("lm_head")) parts.insert("head");
  }
  if (parts.contains("embed") && config.value("ensure_weight_tying", false)) parts.erase("head");
  return parts;
}

AdapterInfo read_info(const std::string& folder) {
  const std::string file = folder + "/adapter_config.json";
  const Json config = parse_json(read_text_file(file), file);
  SCCA_CHECK(config.is_object(), file, ": is not a JSON object");
  refuse_foreign(config, file);
  AdapterInfo info;
  try {
    info.lora.rank = config.at("r").get<int64_t>();
    info.lora.alpha = config.at("lora_alpha").get<double>();
    info.lora.dropout = config.value("lora_dropout", 0.0);
    info.lora.rank_stabilised = config.value("use_rslora", false);
    if (config.at("target_modules").is_array())
      info.lora.targets = config["target_modules"].get<std::set<std::string>>();
    info.trained = trained_parts(config);
    if (config.contains("base_model_name_or_path") && config["base_model_name_or_path"].is_string()) {
      info.base_model = config["base_model_name_or_path"].get<std::string>();
    }
  } catch (const Json::exception& e) {
    fail(file, ": ", e.what());
  }
  info.lora.validate();
  return info;
}

class AdapterReader {
 public:
  AdapterReader(const std::string& folder, const AdapterInfo& info)
      : file_(folder + "/adapter_model.safetensors"), weights_(file_), info_(info) {
    for (const std::string& name : weights_.names()) unread_.insert(name);
  }

  void read_lora(const std::string& name, Linear& linear) {
    const std::string a = kPrefix + name + ".lora_A.weight", b = kPrefix + name + ".lora_B.weight";
    if (!unread_.contains(a) && !unread_.contains(b)) return;
    const int64_t out = linear.weight_OI.size(0), in = linear.weight_OI.size(1), rank = info_.lora.rank;
    linear.lora = Lora{read(a, {rank, in}), read(b, {out, rank}), info_.lora.scale(), info_.lora.dropout};
  }

  void read_saved(const std::string& name, Tensor& weight) {
    if (unread_.contains(kPrefix + name)) weight = read(kPrefix + name, weight.shape());
  }

  /// A tied head is stored beside the embedding: the same values, or the file is not a tied model's.
  void check_tied_head(const Tensor& embedding) {
    if (!unread_.contains(kPrefix + kHead)) return;
    const Tensor head = read(kPrefix + kHead, embedding.shape());
    const Tensor table = cast(embedding, DType::f32);
    SCCA_CHECK(std::equal(head.data<float>(), head.data<float>() + head.numel(), table.data<float>()), file_,
               ": ", kHead, " differs from the embedding, but the base ties the two (tie_word_embeddings)");
  }

  void expect_all_read() const {
    SCCA_CHECK(unread_.empty(), file_, ": ", *unread_.begin(), " has no place in this base model");
  }

 private:
  Tensor read(const std::string& key, const Shape& shape) {
    unread_.erase(key);
    return weights_.load(key, DType::f32, shape);
  }

  std::string file_;
  Weights weights_;
  const AdapterInfo& info_;
  std::set<std::string> unread_;
};

}  // namespace

void save_adapter(Llama& model, const AdapterInfo& info, const std::string& folder) {
  const bool tied = model.config.tie_word_embeddings;
  std::vector<std::pair<std::string, Tensor>> tensors;
  model.for_each_parameter([&](const std::string& name, Tensor& weight) {
    if (weight.requires_grad()) tensors.emplace_back(kPrefix + name, weight.detach());
  });
  if (tied && info.trained.contains("embed"))
    tensors.emplace_back(kPrefix + kHead, model.embed_tokens_VD.detach());
  fs::create_directories(folder);
  write_safetensors(folder + "/adapter_model.safetensors", tensors);
  write_file(folder + "/adapter_config.json", adapter_config(info, tied).dump(2) + "\n");
  write_config(folder, model.config);
}

AdapterInfo load_adapter(Llama& model, const std::string& folder) {
  const AdapterInfo info = read_info(folder);
  AdapterReader reader(folder, info);
  model.for_each_linear([&](const std::string& name, Linear& linear) { reader.read_lora(name, linear); });
  model.for_each_parameter([&](const std::string& name, Tensor& weight) { reader.read_saved(name, weight); });
  if (model.config.tie_word_embeddings) reader.check_tied_head(model.embed_tokens_VD);
  reader.expect_all_read();
  if (fs::exists(folder + "/config.json")) {
    const LlamaConfig trained = read_config(folder);
    model.set_rope(trained.rope, trained.max_position_embeddings);
  }
  return info;
}

}  // namespace scca
