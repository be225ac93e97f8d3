#pragma once
// GGUF files, llama.cpp's: a header, settings by name, a table of tensors, then their bytes.
// github.com/ggml-org/ggml, docs/gguf.md; versions 2 and 3, little-endian.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "models/files/stored_tensor.h"
#include "nn/json.h"

namespace scca {

/// A setting: its value, and the bytes that spell its kind and value, which another file may take over.
struct GgufEntry {
  Json value;
  std::string_view bytes;  // of the mapping
};

/// One file, mapped. Opening it checks everything but the numbers themselves: every count and length against
/// the bytes that are left before anything of that size is made, every tensor's kind and shape against the
/// bytes of the file, that no two tensors share bytes and no name comes twice. Throws Error: one line with
/// the file and what was found.
class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, GgufEntry>& metadata() const { return metadata_; }
  /// Values of those whose names begin with `prefix`, by their names without it.
  Json settings(std::string_view prefix = "") const;
  /// By the file's own names. Shapes are ours: rows first, where the file has the length of a row first.
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  const std::shared_ptr<const MappedFile>& mapping() const { return mapping_; }

 private:
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> mapping_;
  std::map<std::string, GgufEntry> metadata_;
  std::map<std::string, StoredTensor> tensors_;
};

/// True for a file whose name ends in .gguf, and for one of any other name that begins as they do.
bool is_gguf(const std::filesystem::path& path);

/// A file to be, in version 3.
class GgufContent {
 public:
  void set(const std::string& key, uint32_t value);
  void set(const std::string& key, float value);
  void set(const std::string& key, bool value);
  void set(const std::string& key, const std::string& value);
  void set(const std::string& key, const char* value) { set(key, std::string(value)); }
  void set(const std::string& key, const std::vector<std::string>& values);
  void set(const std::string& key, const std::vector<float>& values);
  void set(const std::string& key, const std::vector<int32_t>& values);
  /// As another file has it.
  void set(const std::string& key, const GgufEntry& entry) { settings_.emplace_back(key, entry.bytes); }

  /// A tensor of `rows_first` shape in the format `dtype` (F32, F16, or a block format that has an encoder).
  /// row(i, out) gives row i as f32 when the file is written. Throws Error for a row that no whole blocks
  /// fill.
  void add(const std::string& name, const Shape& rows_first, const std::string& dtype,
           std::function<void(int64_t row, float* out)> row);

  /// Whole or not at all. Throws Error as FileWriter, and for a weight that is not a number or too large for
  /// its format, with the tensor's name.
  void write(const std::filesystem::path& path) const;

 private:
  struct Part {
    std::string name;
    Shape shape;
    std::string dtype;
    std::function<void(int64_t, float*)> row;
  };
  std::vector<std::pair<std::string, std::string>> settings_;  // key, kind and value
  std::vector<Part> parts_;
};

}  // namespace scca
