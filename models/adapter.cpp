#include "models/adapter.h"

#include <filesystem>

#include "core/file.h"
#include "models/model_folder.h"
#include "models/safetensors.h"
#include "models/weights.h"
#include "nn/json.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

const std::string kPrefix = "base_model.model.";
constexpr char kBaseFingerprint[] =
    "base_fingerprint";  // in the file's metadata, where PEFT looks for nothing
const std::string kEmbedding = "model.embed_tokens.weight", kHead = "lm_head.weight";

class AdapterReader {
 public:
  explicit AdapterReader(const fs::path& folder)
      : file_((folder / "adapter_model.safetensors").string()),
        weights_(file_),
        config_(read_adapter_config(folder)) {
    const SafetensorsFile stored(file_);
    const Metadata& metadata = stored.metadata();
    if (metadata.contains(kContentHash)) stored.check_content();  // PEFT's own have none
    if (const auto print = metadata.find(kBaseFingerprint); print != metadata.end())
      config_.info.base_fingerprint = print->second;
    for (const std::string& name : weights_.names()) unread_.insert(name);
  }
  const AdapterInfo& info() const { return config_.info; }

  void read_lora(const std::string& name, Linear& linear) {
    const std::string a = kPrefix + name + ".lora_A.weight", b = kPrefix + name + ".lora_B.weight";
    if (!stores(a) && !stores(b)) {
      SCCA_CHECK(!config_.targets(name), file_, ": no ", a, ", but adapter_config.json targets that layer");
      return;
    }
    const int64_t out = linear.weight_OI.size(0), in = linear.weight_OI.size(1), rank = config_.rank_of(name);
    linear.lora =
        Lora{read(a, {rank, in}), read(b, {out, rank}), config_.scale_of(name), config_.info.lora.dropout};
  }

  void read_saved(const std::string& name, Tensor& weight) {
    if (unread_.contains(kPrefix + name)) {
      weight = read(kPrefix + name, weight.shape());
      return;
    }
    const std::string module = name.substr(0, name.rfind(".weight"));
    SCCA_CHECK(!config_.saves(module), file_, ": no ", kPrefix, name,
               ", but modules_to_save of adapter_config.json names that module");
  }

  /// Whether embedding and head, one parameter in the base, are two with this adapter. PEFT replaces a module
  /// that modules_to_save names by a copy of its own, and so parts the two unless ensure_weight_tying says
  /// otherwise.
  bool unties() const {
    const bool head = stores(kPrefix + kHead), embedding = stores(kPrefix + kEmbedding);
    if (head && embedding && weights_.equal(kPrefix + kHead, kPrefix + kEmbedding)) return false;
    SCCA_CHECK(!head || !config_.ties, file_, ": ", kHead, " differs from the embedding, but the base and ",
               "ensure_weight_tying of adapter_config.json tie the two");
    return !config_.ties && (head || (embedding && config_.saves("model.embed_tokens")));
  }

  /// Of a model that stays tied: the head is stored beside the embedding, the same values.
  void skip_head() { unread_.erase(kPrefix + kHead); }

  void expect_all_read() const {
    for (const std::string& name : unread_)
      SCCA_CHECK(!name.starts_with(kPrefix + "lm_head.") && name.find("lora_embedding_") == std::string::npos,
                 file_, ": ", short_text(Json(name)),
                 ": an update of the embedding or the head is not implemented; merge the "
                 "adapter with PEFT (merge_and_unload) and give the merged model");
    SCCA_CHECK(unread_.empty(), file_, ": ", unread_.empty() ? "" : short_text(Json(*unread_.begin())),
               " has no place in this base model");
  }

 private:
  bool stores(const std::string& key) const { return weights_.contains(key); }
  Tensor read(const std::string& key, const Shape& shape) {
    unread_.erase(key);
    return weights_.load(key, DType::f32, shape);
  }

  std::string file_;
  Weights weights_;
  AdapterConfig config_;
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
  Metadata metadata = kTorchMetadata;
  metadata[kContentHash] = "";
  if (!info.base_fingerprint.empty()) metadata[kBaseFingerprint] = info.base_fingerprint;
  write_safetensors(folder + "/adapter_model.safetensors", tensors, metadata);
  write_file(folder + "/adapter_config.json", to_json(info, tied).dump(2) + "\n");
  write_config(folder, model.config);
}

LlamaConfig with_rope_of_adapter(const LlamaConfig& base, const fs::path& path) {
  const fs::path file = adapter_folder(path) / "config.json";
  if (!fs::exists(file)) return base;
  const LlamaConfig trained = read_config(file);
  LlamaConfig config = base;
  config.rope = trained.rope;
  config.max_position_embeddings = trained.max_position_embeddings;
  return config;
}

AdapterInfo load_adapter(Llama& model, const fs::path& path) {
  const fs::path folder = adapter_folder(path);
  AdapterReader reader(folder);
  if (model.config.tie_word_embeddings) {
    if (reader.unties())
      model.untie();
    else
      reader.skip_head();
  }
  model.for_each_parameter([&](const std::string& name, Tensor& weight) { reader.read_saved(name, weight); });
  model.for_each_linear([&](const std::string& name, Linear& linear) { reader.read_lora(name, linear); });
  reader.expect_all_read();
  const LlamaConfig trained = with_rope_of_adapter(model.config, folder);
  model.set_rope(trained.rope, trained.max_position_embeddings);
  return reader.info();
}

}  // namespace scca
