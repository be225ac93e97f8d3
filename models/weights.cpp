#include "models/weights.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/check.h"
#include "core/dispatch.h"
#include "core/parallel.h"
#include "models/model_folder.h"
#include "nn/json.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

float from_half(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero and the denormals: mantissa * 2^-24, exact in f32
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 127 - 15;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

float from_bf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// f(i-th element) over elements that may lie at any address; the result as To.
template <class From, class To, class F>
void convert(const std::byte* from, Tensor& to, const F& f) {
  To* out = to.data<To>();
  parallel_for(to.numel(), kElementwiseGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      From value;
      std::memcpy(static_cast<void*>(&value), from + i * static_cast<int64_t>(sizeof(From)), sizeof(From));
      out[i] = static_cast<To>(f(value));
    }
  });
}

bool convert_float(const StoredTensor& from, Tensor& to) {
  return visit_float(to.dtype(), "safetensors", [&]<class To>() {
    const auto same = [](auto value) { return value; };
    if (from.dtype == "F32")
      convert<float, To>(from.data, to, same);
    else if (from.dtype == "F64")
      convert<double, To>(from.data, to, same);
    else if (from.dtype == "BF16")
      convert<uint16_t, To>(from.data, to, from_bf16);
    else if (from.dtype == "F16")
      convert<uint16_t, To>(from.data, to, from_half);
    else
      return false;
    return true;
  });
}

}  // namespace

Weights::Weights(const fs::path& folder_or_file) : path_(folder_or_file) {
  const fs::path single = path_ / "model.safetensors", index = path_ / "model.safetensors.index.json";
  if (fs::exists(single) || fs::is_regular_file(path_)) {
    files_.push_back(std::make_unique<SafetensorsFile>(fs::is_regular_file(path_) ? path_ : single));
    for (const auto& [name, tensor] : files_[0]->tensors()) where_[name] = files_[0].get();
    return;
  }
  if (!fs::exists(index)) fail(why_no_model(path_, "model.safetensors and no model.safetensors.index.json"));
  const Json json = parse_json(read_text_file(index), index.string());
  SCCA_CHECK(json.is_object() && json.contains("weight_map") && json["weight_map"].is_object(),
             index.string(), ": no \"weight_map\", expected one from tensor names to files");
  std::map<std::string, const SafetensorsFile*> shards;
  for (const auto& [name, value] : json["weight_map"].items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : "";
    SCCA_CHECK(!shard.empty() && fs::path(shard).filename() == fs::path(shard) && shard != "..",
               index.string(), ": tensor \"", name, "\" is placed in ", short_text(value),
               ", expected a file of the same folder");
    const SafetensorsFile*& file = shards[shard];
    if (!file) file = files_.emplace_back(std::make_unique<SafetensorsFile>(path_ / shard)).get();
    SCCA_CHECK(file->tensors().count(name), file->path().string(), ": no tensor \"", name, "\", which ",
               index.string(), " places there");
    where_[name] = file;
  }
}

std::vector<std::string> Weights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : where_) names.push_back(name);
  return names;
}

const SafetensorsFile& Weights::file_of(const std::string& name) const {
  const auto found = where_.find(name);
  if (found == where_.end())
    fail(path_.string(), ": no tensor \"", name, "\" among its ", where_.size(),
         where_.empty() ? "" : " (the first is \"" + where_.begin()->first + "\")");
  return *found->second;
}

const StoredTensor& Weights::stored(const std::string& name) const {
  return file_of(name).tensors().at(name);
}

bool Weights::equal(const std::string& a, const std::string& b) const {
  const StoredTensor &x = stored(a), &y = stored(b);
  if (x.shape != y.shape) return false;
  if (x.dtype == y.dtype) return std::memcmp(x.data, y.data, x.bytes) == 0;
  const Tensor left = load(a, DType::f64), right = load(b, DType::f64);
  return std::equal(left.data<double>(), left.data<double>() + left.numel(), right.data<double>());
}

void Weights::check_extra(const std::set<std::string>& expected, bool tied) const {
  const std::string head = "lm_head.weight", embedding = "model.embed_tokens.weight";
  std::vector<std::string> extra;
  for (const auto& [name, file] : where_)
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
  const SafetensorsFile& file = file_of(name);
  const StoredTensor& stored = file.tensors().at(name);
  const bool aligned = reinterpret_cast<uintptr_t>(stored.data) % size_of(dtype) == 0;
  if (stored.dtype == stored_name(dtype) && aligned && stored.bytes > 0)
    return Tensor::over(Storage::borrow(stored.data, stored.bytes, file.mapping()), 0, stored.shape, dtype);
  Tensor tensor = Tensor::empty(stored.shape, dtype);
  if (stored.dtype == stored_name(dtype)) {
    if (stored.bytes > 0) std::memcpy(tensor.raw(), stored.data, stored.bytes);
  } else {
    SCCA_CHECK(dtype != DType::i32 && convert_float(stored, tensor), file.path().string(), ": tensor \"",
               name, "\" holds ", stored.dtype, ", which cannot be read as ", name_of(dtype));
  }
  return tensor;
}

Tensor Weights::load(const std::string& name, DType dtype, const Shape& expected) const {
  SCCA_CHECK(stored(name).shape == expected, file_of(name).path().string(), ": tensor \"", name, "\" is ",
             to_string(stored(name).shape), ", expected ", to_string(expected), " (from config.json)");
  return load(name, dtype);
}

}  // namespace scca
