#pragma once
// Texts are tokenised once: what came of large ones is kept in a folder, and mapped into memory when the same
// is asked for again.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/data/token_text.h"

namespace scca {

/// Where tokens are kept: "auto" is scca/tokens in $XDG_CACHE_HOME, or in ~/.cache, "off" nowhere, all else a
/// folder, which is made when it is needed. Empty: nowhere.
std::filesystem::path token_cache_folder(const std::string& setting);

/// What `files` and the tokenizer's own are (path, size, time of the last change) and how they are read. Two
/// texts with the same key are the same; whoever changes a file and puts back its time deceives it.
std::string token_cache_key(const std::vector<std::filesystem::path>& files, const std::string& how);

class TokenCache {
 public:
  /// Of an empty folder nothing is kept. `note` hears of what is damaged or cannot be kept.
  TokenCache(std::filesystem::path folder, std::function<void(const std::string&)> note)
      : folder_(std::move(folder)), note_(std::move(note)) {}

  /// What was kept under the key, whole: its bytes have the hash that they were written with. Else nothing;
  /// what is damaged is removed.
  std::optional<TokenText> find(const std::string& key) const;
  /// Keeps a text. What cannot be written is said, and no error: the text is there.
  void keep(const std::string& key, const TokenText& text) const;

  std::filesystem::path file_of(const std::string& key) const;

 private:
  std::filesystem::path folder_;
  std::function<void(const std::string&)> note_;
};

}  // namespace scca
