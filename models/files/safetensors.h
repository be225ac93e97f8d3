#pragma once
// safetensors files: eight bytes of header length, a JSON header {"name": {"dtype", "shape",
// "data_offsets"}}, then the tensors' bytes without gaps. github.com/huggingface/safetensors, whose checks
// these are.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/tensor.h"
#include "models/files/stored_tensor.h"

namespace scca {

/// One file, mapped. Opening it checks the whole header: its length, its JSON, every dtype and shape against
/// the bytes it is given, that no two tensors share bytes and that no byte is left over. Throws Error: one
/// line with the file and, where there is one, the tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  /// The header's "__metadata__".
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::shared_ptr<const MappedFile>& mapping() const { return mapping_; }
  /// Reads the whole file. Throws Error when its tensors and metadata are not those that its kContentHash was
  /// made of, and when it has none.
  void check_content() const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> mapping_;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// What a tensor will be in a file, before its elements are at hand.
struct TensorSpec {
  std::string name;
  std::string stored;  // stored_name of its dtype, or F16, which f32 is rounded to
  Shape shape;
};
uint64_t bytes_of(const TensorSpec& spec);

using Metadata = std::map<std::string, std::string>;
/// The metadata's key of a hash (core/hash.h) of everything else in the file: each tensor's name, dtype,
/// shape and bytes, and the other metadata; not of the order they are written in.
inline const char* const kContentHash = "content_hash";
inline const Metadata kTorchMetadata = {{"format", "pt"}};  // what transformers asks of a file

/// Writes the tensors as the safetensors library does, byte for byte: widest dtype first, then by name,
/// header padded to a multiple of 8. From their own memory, without a copy; whole or not at all
/// (core/file.h). Metadata that has the key kContentHash gets the hash as its value. Throws Error when a name
/// comes twice.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const Metadata& metadata = kTorchMetadata);
/// For tensors that are made one at a time: make(name) is called once for each, in the order of the file, and
/// its result freed before the next.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorSpec> specs,
                       const std::function<Tensor(const std::string& name)>& make,
                       const Metadata& metadata = kTorchMetadata);

}  // namespace scca
