#include "models/weights.h"

#include <algorithm>
#include <cstring>

#include "core/check.h"
#include "models/files/model_folder.h"
#include "models/gguf_model.h"
#include "nn/json.h"
#include "ops/quantize.h"

namespace scca {
namespace fs = std::filesystem;
namespace {
const std::string kHead = "lm_head.weight", kTrunk = "model.", kEmbedding = "embed_tokens.weight";
}  // namespace

Weights::Weights(const fs::path& folder_or_file) : path_(folder_or_file) {
  if (is_gguf(path_)) {
    const GgufFile file(path_);
    for (const auto& [name, tensor] : gguf_tensors(file)) places_[name] = {tensor, path_, file.mapping()};
    return;
  }
  read_safetensors();
  const bool any_in_trunk = std::ranges::any_of(
      places_, [](const auto& place) { return place.first.starts_with(kTrunk) || place.first == kHead; });
  headless_ = contains(kEmbedding) && !any_in_trunk;
  if (!headless_) return;
  std::map<std::string, Place> whole;
  for (auto& [name, place] : places_) whole[kTrunk + name] = std::move(place);
  places_ = std::move(whole);
}

void Weights::read_safetensors() {
  const fs::path single = path_ / "model.safetensors", index = path_ / "model.safetensors.index.json";
  if (fs::exists(single) || fs::is_regular_file(path_)) {
    const SafetensorsFile file(fs::is_regular_file(path_) ? path_ : single);
    for (const auto& [name, tensor] : file.tensors()) add(file, name);
    return;
  }
  if (!fs::exists(index)) fail(why_no_model(path_, "model.safetensors and no model.safetensors.index.json"));
  read_shards(index);
}

void Weights::add(const SafetensorsFile& file, const std::string& name) {
  places_[name] = {file.tensors().at(name), file.path(), file.mapping()};
}

void Weights::read_shards(const fs::path& index) {
  const Json json = parse_json(read_text_file(index), index.string());
  SCCA_CHECK(json.is_object() && json.contains("weight_map") && json["weight_map"].is_object(),
             index.string(), ": no \"weight_map\", expected one from tensor names to files");
  std::map<std::string, std::unique_ptr<const SafetensorsFile>> shards;
  for (const auto& [name, value] : json["weight_map"].items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : "";
    SCCA_CHECK(!shard.empty() && fs::path(shard).filename() == fs::path(shard) && shard != "..",
               index.string(), ": tensor \"", name, "\" is placed in ", short_text(value),
               ", expected a file of the same folder");
    auto& file = shards[shard];
    if (!file) file = std::make_unique<const SafetensorsFile>(path_ / shard);
    SCCA_CHECK(file->tensors().count(name), file->path().string(), ": no tensor \"", name, "\", which ",
               index.string(), " places there");
    add(*file, name);
  }
}

std::vector<std::string> Weights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : places_) names.push_back(name);
  return names;
}

const Weights::Place& Weights::place_of(const std::string& name) const {
  const auto found = places_.find(name);
  if (found == places_.end())
    fail(path_.string(), ": no tensor \"", name, "\" among its ", places_.size(),
         places_.empty() ? "" : " (the first is \"" + places_.begin()->first + "\")");
  return found->second;
}

const StoredTensor& Weights::stored(const std::string& name) const { return place_of(name).tensor; }

bool Weights::equal(const std::string& a, const std::string& b) const {
  const StoredTensor &x = stored(a), &y = stored(b);
  if (x.shape != y.shape) return false;
  if (x.dtype == y.dtype && x.interleaved == y.interleaved) return std::memcmp(x.data, y.data, x.bytes) == 0;
  const Tensor left = load(a, DType::f64), right = load(b, DType::f64);
  return std::equal(left.data<double>(), left.data<double>() + left.numel(), right.data<double>());
}

void Weights::check_extra(const std::set<std::string>& expected, bool tied) const {
  const std::string &head = kHead, embedding = kTrunk + kEmbedding;
  SCCA_CHECK(
      tied || !headless_, path_.string(), ": no ", head, ", and no name begins with \"", kTrunk,
      "\": this is a model without its head, as LlamaModel saves one, but config.json has a head of its "
      "own (tie_word_embeddings is false); save the whole LlamaForCausalLM");
  std::vector<std::string> extra;
  for (const auto& [name, place] : places_)
    if (!expected.contains(name) && !name.ends_with("rotary_emb.inv_freq") && !(tied && name == head))
      extra.push_back(name);
  SCCA_CHECK(
      extra.empty(), path_.string(), ": tensor ", extra.empty() ? "" : short_text(Json(extra[0])),
      extra.size() > 1 ? concat(" (and ", extra.size() - 1, " more)") : "",
      " has no place in the model of config.json: this is another model's file, which computes something "
      "else");
  if (tied && contains(head) && contains(embedding))
    SCCA_CHECK(equal(head, embedding), path_.string(), ": ", head, " differs from ", embedding,
               ", but config.json ties the two (tie_word_embeddings); set that to false to use both, as "
               "transformers 5 does, or remove ",
               head, ", which transformers 4 ignores");
}

Tensor Weights::load(const std::string& name, DType dtype) const {
  const Place& place = place_of(name);
  const StoredTensor& stored = place.tensor;
  const bool aligned = is_blocks(dtype) || reinterpret_cast<uintptr_t>(stored.data) % size_of(dtype) == 0;
  if (is_stored_as(stored, dtype) && aligned && stored.bytes > 0)
    return Tensor::over(Storage::borrow(stored.data, stored.bytes, place.mapping), 0, stored.shape, dtype);
  if (is_blocks(dtype) && stored.dtype != stored_name(dtype)) return quantized(load(name, DType::f32), dtype);
  Tensor tensor = Tensor::empty(stored.shape, dtype);
  const auto done = [&](const std::byte* begin, size_t bytes) { place.mapping->forget(begin, bytes); };
  SCCA_CHECK(read_elements(stored, tensor, done), place.file.string(), ": tensor \"", name, "\" holds ",
             stored.dtype, ", which cannot be read as ", name_of(dtype));
  return tensor;
}

Tensor Weights::load(const std::string& name, DType dtype, const Shape& expected) const {
  const Place& place = place_of(name);
  SCCA_CHECK(place.tensor.shape == expected, place.file.string(), ": tensor \"", name, "\" is ",
             to_string(place.tensor.shape), ", expected ", to_string(expected), " (from config.json)");
  return load(name, dtype);
}

}  // namespace scca
