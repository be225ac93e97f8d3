#include "models/adapter.h"

#include <filesystem>
#include <map>
#include <optional>

#include "core/file.h"
#include "models/files/model_folder.h"
#include "models/files/safetensors.h"
#include "models/rope_config.h"
#include "models/weights.h"
#include "nn/json.h"
#include "ops/cast.h"
#include "ops/matmul.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

const std::string kPrefix = "base_model.model.";
const std::string kEmbeddingModule = "model.embed_tokens", kHeadModule = "lm_head";
constexpr char kBaseFingerprint[] =
    "base_fingerprint";  // in the file's metadata, where PEFT looks for nothing
const std::string kEmbedding = kEmbeddingModule + ".weight", kHead = kHeadModule + ".weight";

/// The key as PEFT stores it: some programs leave the adapter's name there ("lora_A.default.weight",
/// "lm_head.modules_to_save.default.weight"), which PEFT takes out and puts back.
std::string plain_key(std::string key) {
  for (const std::string part : {".modules_to_save", ".default"}) {
    const size_t at = key.find(part), end = at + part.size();
    if (at != key.npos && (end == key.size() || key[end] == '.')) key.erase(at, part.size());
  }
  return key;
}

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
    for (const std::string& name : weights_.names()) {
      const auto [place, first] = stored_.emplace(plain_key(name), name);
      SCCA_CHECK(first, file_, ": ", short_text(Json(name)), " and ", short_text(Json(place->second)),
                 " are the same tensor under two names");
      unread_.insert(place->first);
      SCCA_CHECK(config_.biases == "none" || !place->first.ends_with(".bias"), file_, ": holds ",
                 short_text(Json(name)),
                 ": learning biases (bias of adapter_config.json) are not read. Merge "
                 "the adapter with PEFT (merge_and_unload) and give the merged model");
    }
  }
  const AdapterInfo& info() const { return config_.info; }

  void read_lora(const std::string& name, Linear& linear) { linear.lora = update_of(name, linear.weight_OI); }

  /// The updates of embedding and head, which are added into the weights: nothing learns here.
  void read_other_updates(Llama& model) {
    if (const auto lora = update_of(kHeadModule, model.head()))
      model.lm_head_VD = lora->merged_into(cast(model.lm_head_VD, DType::f32));
    Tensor& embedding = model.embed_tokens_VD;
    const std::string a = kPrefix + kEmbeddingModule + ".lora_embedding_A",
                      b = kPrefix + kEmbeddingModule + ".lora_embedding_B";
    if (!there(kEmbeddingModule, a, b)) return;
    // W + s (B A)^T
    const int64_t rank = config_.rank_of(kEmbeddingModule);
    Tensor sum = cast(embedding.detach(), DType::f32).clone();
    matmul_into(read(a, {rank, embedding.size(0)}), read(b, {embedding.size(1), rank}), sum,
                {.transpose_a = true,
                 .transpose_b = true,
                 .scale = config_.scale_of(kEmbeddingModule),
                 .accumulate = true});
    embedding = sum;
  }

  /// The weights that an updated embedding or head had, which PEFT stores beside the update. In a tied base
  /// they are one.
  void read_base_layers(Llama& model) {
    const std::string embedding = kPrefix + kEmbeddingModule + ".base_layer.weight",
                      head = kPrefix + kHeadModule + ".base_layer.weight";
    const bool tied = model.config.tie_word_embeddings;
    SCCA_CHECK(!tied || !stores(embedding) || !stores(head) || equal(embedding, head), file_, ": ", head,
               " differs from that of the embedding, but the base ties the two");
    if (stores(embedding)) model.embed_tokens_VD = read(embedding, model.embed_tokens_VD.shape());
    if (!stores(head)) return;
    Tensor& weight = tied ? model.embed_tokens_VD : model.lm_head_VD;
    weight = read(head, weight.shape());
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
    const bool updated = stores(kPrefix + kEmbeddingModule + ".lora_embedding_A") ||
                         stores(kPrefix + kHeadModule + ".lora_A.weight");
    SCCA_CHECK(
        !updated || !config_.ties, file_,
        ": an update of an embedding or head that ensure_weight_tying of adapter_config.json ties is not "
        "implemented; merge the adapter with PEFT (merge_and_unload) and give the merged model");
    if (updated) return true;
    if (head && embedding && equal(kPrefix + kHead, kPrefix + kEmbedding)) return false;
    SCCA_CHECK(!head || !config_.ties, file_, ": ", kHead, " differs from the embedding, but the base and ",
               "ensure_weight_tying of adapter_config.json tie the two");
    return !config_.ties && (head || (embedding && config_.saves("model.embed_tokens")));
  }

  /// Of a model that stays tied: the head is stored beside the embedding, the same values.
  void skip_head() { unread_.erase(kPrefix + kHead); }

  void expect_all_read() const {
    SCCA_CHECK(unread_.empty(), file_, ": ", unread_.empty() ? "" : short_text(Json(*unread_.begin())),
               " has no place in this base model");
  }

 private:
  bool stores(const std::string& key) const { return stored_.contains(key); }
  bool equal(const std::string& a, const std::string& b) const {
    return weights_.equal(stored_.at(a), stored_.at(b));
  }

  /// Whether the module has an update of these two tensors.
  bool there(const std::string& name, const std::string& a, const std::string& b) const {
    if (stores(a) || stores(b)) {
      const std::string field = config_.left_out_by(name);
      SCCA_CHECK(field.empty(), file_, ": ", stores(a) ? a : b, ", but by ", field,
                 " of adapter_config.json that layer has no update, and PEFT would leave it out: correct ",
                 field, " or remove the layer's tensors");
      return true;
    }
    SCCA_CHECK(!config_.targets(name), file_, ": no ", a, ", but adapter_config.json targets that layer");
    return false;
  }

  std::optional<Lora> update_of(const std::string& name, const Tensor& weight_OI) {
    const std::string a = kPrefix + name + ".lora_A.weight", b = kPrefix + name + ".lora_B.weight";
    if (!there(name, a, b)) return std::nullopt;
    const int64_t out = weight_OI.size(0), in = weight_OI.size(1), rank = config_.rank_of(name);
    return Lora{read(a, {rank, in}), read(b, {out, rank}), config_.scale_of(name), config_.info.lora.dropout};
  }

  Tensor read(const std::string& key, const Shape& shape) {
    unread_.erase(key);
    const auto stored = stored_.find(key);
    return weights_.load(stored == stored_.end() ? key : stored->second, DType::f32, shape);
  }

  std::string file_;
  Weights weights_;
  AdapterConfig config_;
  std::map<std::string, std::string> stored_;  // plain_key to the file's
  std::set<std::string> unread_;               // plain
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
  const Json json = parse_json(read_text_file(file), file.string());
  SCCA_CHECK(json.is_object(), file.string(), ": ", short_text(json), ", expected a JSON object");
  const JsonFields fields(json, file.string());
  LlamaConfig config = base;
  // The rest is the base's, in which other programs leave how they held it (quantization_config).
  config.max_position_embeddings =
      fields.integer("max_position_embeddings").value_or(family_of(fields).max_position_embeddings);
  config.rope = read_rope(fields, config.max_position_embeddings);
  check_config(config, file.string());
  return config;
}

AdapterInfo load_adapter(Llama& model, const fs::path& path) {
  const fs::path folder = adapter_folder(path);
  AdapterReader reader(folder);
  reader.read_base_layers(model);
  if (model.config.tie_word_embeddings) {
    if (reader.unties())
      model.untie();
    else
      reader.skip_head();
  }
  model.for_each_parameter([&](const std::string& name, Tensor& weight) { reader.read_saved(name, weight); });
  model.for_each_linear([&](const std::string& name, Linear& linear) { reader.read_lora(name, linear); });
  reader.read_other_updates(model);
  reader.expect_all_read();
  const LlamaConfig trained = with_rope_of_adapter(model.config, folder);
  model.set_rope(trained.rope, trained.max_position_embeddings);
  return reader.info();
}

}  // namespace scca
