#pragma once
// A model's tensors by name, from one safetensors file or from shards, in the dtype the model works in.
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/safetensors.h"

namespace scca {

/// The tensors of a model: a folder's model.safetensors, or the shards of its model.safetensors.index.json;
/// or one .safetensors file given by its own path (an adapter).
class Weights {
 public:
  /// Throws Error as SafetensorsFile, and when there is nothing to read, a shard is missing, or the index
  /// places a tensor in a shard that does not hold it.
  explicit Weights(const std::filesystem::path& folder_or_file);

  bool contains(const std::string& name) const { return where_.count(name) != 0; }
  /// All names, sorted.
  std::vector<std::string> names() const;
  /// Throws Error when there is no such tensor.
  const StoredTensor& stored(const std::string& name) const;
  const std::filesystem::path& path() const { return path_; }
  /// Whether two tensors hold the same values, whatever dtype each is stored in.
  bool equal(const std::string& a, const std::string& b) const;

  /// Throws Error naming a tensor that is none of `expected`: another model's, which would compute something
  /// else without it. Rotary buffers pass, since they are made from the config, and with a `tied` embedding
  /// the head that equals it. One that differs is refused: transformers 4 ignores it, transformers 5 uses it.
  void check_extra(const std::set<std::string>& expected, bool tied) const;

  /// The tensor as `dtype`. F32, F16, BF16 and F64 are converted between each other (rounded to the
  /// nearest), I32 is read as i32. Where the file holds just that dtype nothing is copied: the tensor lies in
  /// the mapping and must not be written (clone() what will be trained). Throws Error when there is no such
  /// tensor or its dtype has no reading as `dtype`.
  Tensor load(const std::string& name, DType dtype) const;
  /// As above; throws Error when the shape is not `expected`.
  Tensor load(const std::string& name, DType dtype, const Shape& expected) const;

 private:
  const SafetensorsFile& file_of(const std::string& name) const;

  std::filesystem::path path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, const SafetensorsFile*> where_;
};

}  // namespace scca
