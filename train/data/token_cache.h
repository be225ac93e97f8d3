#pragma once
// Texts are tokenised once: what came of large ones is kept in a folder, and mapped into memory when the same
// is asked for again.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "train/data/token_text.h"

namespace scca {

/// Where tokens are kept: "auto" is scca/tokens in $XDG_CACHE_HOME, or in ~/.cache, "off" nowhere, all else a
/// folder, which is made when it is needed. Empty: nowhere.
std::filesystem::path token_cache_folder(const std::string& setting);

/// What `files` and the tokenizer's own are (path, size, time of the last change) and how they are read. Two
/// texts with the same key are the same; whoever changes a file and puts back its time deceives it.
std::string token_cache_key(const std::vector<std::filesystem::path>& files, const std::string& how);

/// Writes the tokens of a text into a file as they come, so that they are never in memory together. Destroyed
/// without commit() it leaves nothing.
class TokenWriter {
 public:
  /// Throws Error as FileWriter (core/file.h).
  TokenWriter(const std::filesystem::path& file, std::string key);

  /// Thrown by the others where something cannot be written; no Error of the text's.
  struct Failed {
    std::string why;
  };
  void append(const EncodedDocument& document);
  int64_t tokens() const { return tokens_; }
  void commit();

 private:
  void write_ids(std::span<const int32_t> ids);
  void write_block();
  void write(const void* data, size_t bytes);

  FileWriter file_;
  std::string key_;
  std::vector<int32_t> block_;
  int64_t tokens_ = 0;
  uint64_t hash_ = 0;
  TokenMarks marks_;
};

class TokenCache {
 public:
  /// Of an empty folder nothing is kept. `note` hears of what is damaged or cannot be kept.
  TokenCache(std::filesystem::path folder, std::function<void(const std::string&)> note)
      : folder_(std::move(folder)), note_(std::move(note)) {}

  /// What was kept under the key, whole: its bytes have the hash that they were written with. Else nothing;
  /// what is damaged is removed.
  std::optional<TokenText> find(const std::string& key) const;
  /// Takes the tokens of the text with this key; null where they cannot be kept, which is said.
  std::unique_ptr<TokenWriter> writer(const std::string& key) const;
  /// Says why they are not kept after all.
  void say_not_kept(const std::string& why) const;
  /// What a writer has just committed, without a look at all of it.
  TokenText written(const std::string& key) const;

  std::filesystem::path file_of(const std::string& key) const;

 private:
  std::filesystem::path folder_;
  std::function<void(const std::string&)> note_;
};

}  // namespace scca
