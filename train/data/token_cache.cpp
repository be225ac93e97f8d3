#include "train/data/token_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/hash.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMagic = 0x32736e656b6f7473;  // "stokens2"

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

constexpr size_t kBlockIds = size_t{1} << 20;  // written and hashed at once

uint64_t hash_of_ids(std::span<const int32_t> ids) {
  uint64_t hash = 0;
  for (size_t at = 0; at < ids.size(); at += kBlockIds) {
    const auto block = ids.subspan(at, std::min(kBlockIds, ids.size() - at));
    hash = hash_bytes(block.data(), block.size_bytes(), hash);
  }
  return hash;
}

/// The hash of all, from that of the ids.
uint64_t hash_of(const Header& header, const Parts& parts, uint64_t ids) {
  uint64_t hash = hash_bytes(&header, offsetof(Header, hash), ids);
  hash = hash_text(parts.key, hash);
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

/// The parts of a file that is whole; `seen`: its bytes need no check.
std::optional<Parts> parts_of(const MappedFile& file, bool seen) {
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
  if (!seen && hash_of(header, parts, hash_of_ids(parts.ids)) != header.hash) return {};
  return parts;
}

TokenText text_of(std::shared_ptr<const MappedFile> file, const Parts& parts) {
  TokenMarks marks;
  marks.starts.assign(parts.starts.begin(), parts.starts.end());
  marks.given.assign(parts.spans.begin(), parts.spans.end());
  return {std::move(file), parts.ids, std::move(marks)};
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
  const std::optional<Parts> parts = parts_of(*file, false);
  if (!parts) {
    note_(concat(file_of(key).string(), " is damaged; the tokens are made again"));
    fs::remove(file_of(key));
    return std::nullopt;
  }
  if (parts->key != key) return std::nullopt;  // another text's, of the same hash
  return text_of(file, *parts);
}

TokenText TokenCache::written(const std::string& key) const {
  const auto file = MappedFile::open(file_of(key));
  const std::optional<Parts> parts = parts_of(*file, true);
  SCCA_CHECK(parts && parts->key == key, file_of(key).string(),
             ": was changed by another process while it was written; start again");
  return text_of(file, *parts);
}

void TokenCache::say_not_kept(const std::string& why) const {
  note_(concat("the tokens are not kept: ", why));
}

std::unique_ptr<TokenWriter> TokenCache::writer(const std::string& key) const {
  if (folder_.empty()) return nullptr;
  try {
    fs::create_directories(folder_);
    return std::make_unique<TokenWriter>(file_of(key), key);
  } catch (const std::exception& error) {
    say_not_kept(error.what());
    return nullptr;
  } catch (const TokenWriter::Failed& failed) {
    say_not_kept(failed.why);
    return nullptr;
  }
}

TokenWriter::TokenWriter(const fs::path& file, std::string key) : file_(file), key_(std::move(key)) {
  const Header unknown;
  write(&unknown, sizeof unknown);
  write(key_.data(), key_.size());
  block_.reserve(kBlockIds);
}

/// Fills up to a multiple of eight bytes.
void TokenWriter::write(const void* data, size_t bytes) {
  try {
    file_.write(data, bytes);
    file_.write("\0\0\0\0\0\0\0", padded(bytes) - bytes);
  } catch (const std::exception& error) {
    throw Failed{error.what()};
  }
}

void TokenWriter::write_block() {
  hash_ = hash_bytes(block_.data(), block_.size() * sizeof(int32_t), hash_);
  write(block_.data(), block_.size() * sizeof(int32_t));
  block_.clear();
}

void TokenWriter::write_ids(std::span<const int32_t> ids) {
  tokens_ += std::ssize(ids);
  while (!ids.empty()) {
    const auto some = ids.first(std::min(ids.size(), kBlockIds - block_.size()));
    block_.insert(block_.end(), some.begin(), some.end());
    ids = ids.subspan(some.size());
    if (block_.size() == kBlockIds) write_block();
  }
}

void TokenWriter::append(const EncodedDocument& document) {
  marks_.mark(document, tokens_);
  write_ids(document.ids);
}

void TokenWriter::commit() {
  if (!block_.empty()) write_block();
  write(marks_.starts.data(), marks_.starts.size() * sizeof(int64_t));
  write(marks_.given.data(), marks_.given.size() * sizeof(TokenText::Span));
  Header header{.key_bytes = key_.size(),
                .ids = static_cast<uint64_t>(tokens_),
                .starts = marks_.starts.size(),
                .spans = marks_.given.size()};
  header.hash = hash_of(header, {.key = key_, .starts = marks_.starts, .spans = marks_.given}, hash_);
  try {
    file_.write_at(0, {reinterpret_cast<const char*>(&header), sizeof header});
    file_.commit();
  } catch (const std::exception& error) {
    throw Failed{error.what()};
  }
}

}  // namespace scca
