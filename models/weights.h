#pragma once
// A model's tensors by name, from one safetensors file, from shards or from a GGUF file, in the dtype the
// model works in.
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/files/safetensors.h"

namespace scca {

/// The tensors of a model: a folder's model.safetensors, or the shards of its model.safetensors.index.json;
/// or one .safetensors file given by its own path (an adapter); or a .gguf file's, by their names in a
/// Hugging Face folder (models/gguf_model.h). Where no name begins with "model.", as transformers' LlamaModel
/// saves itself, without a head, all are read as if they did.
class Weights {
 public:
  /// Throws Error as SafetensorsFile and GgufFile, and when there is nothing to read, a shard is missing, or
  /// the index places a tensor in a shard that does not hold it.
  explicit Weights(const std::filesystem::path& folder_or_file);

  bool contains(const std::string& name) const { return places_.count(name) != 0; }
  /// All names, sorted.
  std::vector<std::string> names() const;
  /// Throws Error when there is no such tensor.
  const StoredTensor& stored(const std::string& name) const;
  const std::filesystem::path& path() const { return path_; }
  /// Whether two tensors hold the same values, whatever dtype each is stored in.
  bool equal(const std::string& a, const std::string& b) const;

  /// Throws Error for a model without its head that is not `tied`; and naming a tensor that is none of
  /// `expected`: another model's, which would compute something else without it. Rotary buffers pass, since
  /// they are made from the config, and with a `tied` embedding the head that equals it. One that differs is
  /// refused: transformers 4 ignores it, transformers 5 uses it.
  void check_extra(const std::set<std::string>& expected, bool tied) const;

  /// The tensor as `dtype`. F32, F16, BF16, F64 and the block formats are converted (rounded to the nearest),
  /// I32 is read as i32. Where the file holds just that dtype nothing is copied: the tensor lies in the
  /// mapping and must not be written (clone() what will be trained). What was converted leaves memory: only
  /// the result takes room. A block dtype: blocks of that kind as they are, and other numbers made into them
  /// (ops/quantize.h). Throws Error when there is no such tensor or its dtype has no reading as `dtype`.
  Tensor load(const std::string& name, DType dtype) const;
  /// As above; throws Error when the shape is not `expected`.
  Tensor load(const std::string& name, DType dtype, const Shape& expected) const;

 private:
  struct Place {
    StoredTensor tensor;
    std::filesystem::path file;
    std::shared_ptr<const MappedFile> mapping;
  };
  void add(const SafetensorsFile& file, const std::string& name);
  void read_safetensors();
  void read_shards(const std::filesystem::path& index);
  const Place& place_of(const std::string& name) const;

  std::filesystem::path path_;
  std::map<std::string, Place> places_;
  bool headless_ = false;
};

}  // namespace scca
