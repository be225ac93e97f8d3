#include "train/data/token_cache.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

#include "core/check.h"
#include "core/file.h"
#include "core/hash.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMagic = 0x31736e656b6f7473;  // "stokens1"

/// In front of a file; the key, ids, starts and spans follow, each from a multiple of eight bytes on.
struct Header {
  uint64_t magic = kMagic, key_bytes = 0, ids = 0, starts = 0, spans = 0;
  uint64_t hash = 0;  // of the sizes and of all parts
};

constexpr uint64_t padded(uint64_t bytes) { return (bytes + 7) / 8 * 8; }

struct Parts {
  std::string_view key = {};
  std::span<const int32_t> ids = {};
  std::span<const int64_t> starts = {};
  std::span<const TokenText::Span> spans = {};
};

uint64_t hash_of(const Header& header, const Parts& parts) {
  uint64_t hash = hash_bytes(&header, offsetof(Header, hash));
  hash = hash_text(parts.key, hash);
  hash = hash_bytes(parts.ids.data(), parts.ids.size_bytes(), hash);
  hash = hash_bytes(parts.starts.data(), parts.starts.size_bytes(), hash);
  return hash_bytes(parts.spans.data(), parts.spans.size_bytes(), hash);
}

/// The next `count` elements of a file, from `at` on, which moves behind them.
template <class T>
std::span<const T> next(const std::byte* data, uint64_t& at, uint64_t count) {
  const std::span<const T> part(reinterpret_cast<const T*>(data + at), count);
  at += padded(part.size_bytes());
  return part;
}

/// The parts of a file that is whole.
std::optional<Parts> parts_of(const MappedFile& file) {
  Header header;
  if (file.size() < sizeof header) return {};
  std::memcpy(&header, file.data(), sizeof header);
  const uint64_t most = file.size() / sizeof(int32_t);  // so that no sum below overflows
  if (header.magic != kMagic || header.key_bytes > file.size() || header.ids > most || header.starts > most ||
      header.spans > most)
    return {};
  const uint64_t size = sizeof header + padded(header.key_bytes) + padded(header.ids * sizeof(int32_t)) +
                        header.starts * sizeof(int64_t) + header.spans * sizeof(TokenText::Span);
  if (size != file.size()) return {};
  uint64_t at = sizeof header;
  const auto key = next<char>(file.data(), at, header.key_bytes);
  Parts parts{.key = {key.data(), key.size()}};
  parts.ids = next<int32_t>(file.data(), at, header.ids);
  parts.starts = next<int64_t>(file.data(), at, header.starts);
  parts.spans = next<TokenText::Span>(file.data(), at, header.spans);
  if (hash_of(header, parts) != header.hash) return {};
  return parts;
}

std::string description(const fs::path& file) {
  struct stat status;
  SCCA_CHECK(::stat(file.c_str(), &status) == 0, file.string(),
             ": cannot be looked at: ", std::strerror(errno));
  return concat(fs::canonical(file).string(), '\n', status.st_size, ' ', status.st_mtim.tv_sec, ' ',
                status.st_mtim.tv_nsec, '\n');
}

}  // namespace

fs::path token_cache_folder(const std::string& setting) {
  if (setting == "off") return {};
  if (setting != "auto") return setting;
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  if (cache && *cache) return fs::path(cache) / "scca/tokens";
  return home && *home ? fs::path(home) / ".cache/scca/tokens" : fs::path();
}

std::string token_cache_key(const std::vector<fs::path>& files, const std::string& how) {
  std::string key = concat("scca ", SCCA_VERSION, "\n", how, "\n");
  for (const fs::path& file : files) key += description(file);
  return key;
}

fs::path TokenCache::file_of(const std::string& key) const {
  return folder_ / (hexadecimal(hash_text(key)) + ".tokens");
}

std::optional<TokenText> TokenCache::find(const std::string& key) const {
  if (folder_.empty() || !fs::exists(file_of(key))) return std::nullopt;
  const auto file = MappedFile::open(file_of(key));
  const std::optional<Parts> parts = parts_of(*file);
  if (!parts) {
    note_(concat(file_of(key).string(), " is damaged; the tokens are made again"));
    fs::remove(file_of(key));
    return std::nullopt;
  }
  if (parts->key != key) return std::nullopt;  // another text's, of the same hash
  TokenText text(file, parts->ids);
  text.starts.assign(parts->starts.begin(), parts->starts.end());
  text.given.assign(parts->spans.begin(), parts->spans.end());
  return text;
}

void TokenCache::keep(const std::string& key, const TokenText& text) const {
  if (folder_.empty()) return;
  const Parts parts{key, text.ids(), text.starts, text.given};
  Header header{.key_bytes = key.size(),
                .ids = parts.ids.size(),
                .starts = parts.starts.size(),
                .spans = parts.spans.size()};
  header.hash = hash_of(header, parts);
  try {
    fs::create_directories(folder_);
    FileWriter file(file_of(key));
    const auto write = [&](const void* data, size_t bytes) {
      file.write(data, bytes);
      file.write("\0\0\0\0\0\0\0", padded(bytes) - bytes);
    };
    write(&header, sizeof header);
    write(key.data(), key.size());
    write(parts.ids.data(), parts.ids.size_bytes());
    write(parts.starts.data(), parts.starts.size_bytes());
    write(parts.spans.data(), parts.spans.size_bytes());
    file.commit();
  } catch (const std::exception& error) {
    note_(concat("the tokens are not kept: ", error.what()));
  }
}

}  // namespace scca
