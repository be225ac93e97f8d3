#include "models/files/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "core/check.h"
#include "core/file.h"
#include "core/hash.h"
#include "nn/json.h"

namespace scca {
namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little,
              "safetensors files are little-endian and used in place");

namespace {

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;  // the library's limit
constexpr char kMetadataKey[] = "__metadata__";

/// Bytes an element; 0 for a dtype that is not known.
size_t element_bytes(const std::string& dtype) {
  static const std::map<std::string, size_t> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
      {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"F64", 8},     {"I64", 8}, {"U64", 8}};
  const auto found = sizes.find(dtype);
  return found == sizes.end() ? 0 : found->second;
}

/// A header entry, checked against the bytes behind the header. `where` begins every message.
class EntryReader {
 public:
  EntryReader(std::string where, const Json& entry) : where_(std::move(where)), entry_(entry) {
    SCCA_CHECK(entry.is_object(), where_, " is ", short_text(entry),
               ", expected dtype, shape and data_offsets");
  }

  StoredTensor read(const std::byte* buffer, uint64_t buffer_bytes, uint64_t& begin) const {
    StoredTensor tensor;
    const Json& dtype = field("dtype");
    SCCA_CHECK(dtype.is_string(), where_, ": dtype is ", short_text(dtype),
               ", expected a name such as \"F32\"");
    tensor.dtype = dtype.get<std::string>();
    const size_t width = element_bytes(tensor.dtype);
    SCCA_CHECK(width > 0, where_, ": unknown dtype ", short_text(dtype),
               ", expected F64, F32, F16, BF16 or an integer type");
    for (uint64_t size : integers("shape")) tensor.shape.push_back(static_cast<int64_t>(size));
    const std::vector<uint64_t> offsets = integers("data_offsets");
    SCCA_CHECK(offsets.size() == 2, where_, ": data_offsets is ", short_text(field("data_offsets")),
               ", expected [begin, end]");
    begin = offsets[0];
    const uint64_t end = offsets[1];
    SCCA_CHECK(begin <= end && end <= buffer_bytes, where_, ": data_offsets [", begin, ", ", end,
               "] do not lie in the file, which holds ", buffer_bytes, " bytes of data (cut short?)");
    const uint64_t expected = bytes_of(tensor.shape, width);
    SCCA_CHECK(expected == end - begin, where_, ": ", tensor.dtype, " ", to_string(tensor.shape), " takes ",
               expected, " bytes, but data_offsets give it ", end - begin);
    tensor.data = buffer + begin;
    tensor.bytes = end - begin;
    return tensor;
  }

 private:
  const Json& field(const char* key) const {
    const auto found = entry_.find(key);
    SCCA_CHECK(found != entry_.end(), where_, " has no ", key);
    return *found;
  }

  std::vector<uint64_t> integers(const char* key) const {
    const Json& list = field(key);
    bool good = list.is_array();
    for (size_t i = 0; good && i < list.size(); ++i)
      good = list[i].is_number_unsigned() &&
             list[i].get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()};
    SCCA_CHECK(good, where_, ": ", key, " is ", short_text(list), ", expected a list of integers from 0 up");
    return list.get<std::vector<uint64_t>>();
  }

  uint64_t bytes_of(const Shape& shape, size_t width) const {
    uint64_t bytes = width;
    for (int64_t size : shape)
      SCCA_CHECK(!__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes), where_, ": shape ",
                 to_string(shape), " has more elements than 64 bits count");
    return bytes;
  }

  std::string where_;
  const Json& entry_;
};

/// A range of data bytes and whose it is.
struct Span {
  uint64_t begin, end;
  std::string name;
};

/// The library's rule: sorted by their begin the tensors fill the data exactly.
void check_coverage(const std::string& file, std::vector<Span> spans, uint64_t buffer_bytes) {
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t covered = 0;
  std::string previous;
  for (const Span& span : spans) {
    SCCA_CHECK(span.begin >= covered, file, ": tensors ", short_text(previous), " and ",
               short_text(span.name), " overlap: bytes up to ", covered, " and from ", span.begin);
    SCCA_CHECK(span.begin == covered, file, ": bytes ", covered, " to ", span.begin,
               " of the data belong to no tensor");
    covered = span.end;
    previous = span.name;
  }
  SCCA_CHECK(covered == buffer_bytes, file, ": bytes ", covered, " to ", buffer_bytes,
             " of the data belong to no tensor");
}

/// The value for kContentHash.
std::string content_hash(const std::map<std::string, uint64_t>& tensors, const Metadata& metadata) {
  uint64_t hash = 0;
  for (const auto& [name, tensor] : tensors) hash = hash_bytes(&tensor, sizeof tensor, hash_text(name, hash));
  for (const auto& [key, value] : metadata)
    if (key != kContentHash) hash = hash_text(value, hash_text(key, hash));
  return hexadecimal(hash);
}

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& path) : path_(path), mapping_(MappedFile::open(path)) {
  const std::string file = path.string();
  const uint64_t size = mapping_->size();
  refuse_lfs_pointer(path, {reinterpret_cast<const char*>(mapping_->data()), std::min<uint64_t>(size, 64)});
  SCCA_CHECK(size >= kLengthBytes, file, ": ", size, " bytes are too few for a safetensors file");
  uint64_t header_bytes;
  std::memcpy(&header_bytes, mapping_->data(), kLengthBytes);
  SCCA_CHECK(header_bytes <= kMaxHeader, file, ": says its header has ", header_bytes,
             " bytes, expected at most ", kMaxHeader, "; it is no safetensors file");
  SCCA_CHECK(header_bytes <= size - kLengthBytes, file, ": says its header has ", header_bytes,
             " bytes, but only ", size - kLengthBytes, " follow (cut short?)");
  const char* text = reinterpret_cast<const char*>(mapping_->data() + kLengthBytes);
  const Json header = parse_json({text, header_bytes}, file + ": header");
  SCCA_CHECK(header.is_object(), file, ": header is ", short_text(header), ", expected an object");

  const uint64_t buffer_bytes = size - kLengthBytes - header_bytes;
  const std::byte* buffer = mapping_->data() + kLengthBytes + header_bytes;
  std::vector<Span> spans;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      SCCA_CHECK(entry.is_object(), file, ": ", kMetadataKey, " is ", short_text(entry),
                 ", expected an object");
      for (const auto& [key, value] : entry.items()) {
        SCCA_CHECK(value.is_string(), file, ": ", kMetadataKey, ": ", short_text(key), " is ",
                   short_text(value), ", expected a string");
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    uint64_t begin = 0;
    const StoredTensor tensor =
        EntryReader(file + ": tensor " + short_text(name), entry).read(buffer, buffer_bytes, begin);
    spans.push_back({begin, begin + tensor.bytes, name});
    tensors_.emplace(name, tensor);
  }
  check_coverage(file, std::move(spans), buffer_bytes);
}

void SafetensorsFile::check_content() const {
  const auto stored = metadata_.find(kContentHash);
  SCCA_CHECK(stored != metadata_.end(), path_.string(), ": has no ", kContentHash,
             " of what it holds: it is damaged, or of another version of scca");
  std::map<std::string, uint64_t> hashes;
  for (const auto& [name, tensor] : tensors_) hashes[name] = hash_of(tensor);
  SCCA_CHECK(content_hash(hashes, metadata_) == stored->second, path_.string(),
             ": is damaged: it holds other bytes than were written (by their ", kContentHash, ")");
}

namespace {

/// The library's order: by dtype, the widest and in its list the last first; then by name.
size_t write_rank(const TensorSpec& spec) {
  static const std::vector<std::string> kOrder{"F64", "F32", "I32", "BF16", "F16"};
  return static_cast<size_t>(std::ranges::find(kOrder, spec.stored) - kOrder.begin());
}

/// The first bytes of a file that holds the specs in this order.
std::string header_of(const std::vector<TensorSpec>& specs, const Metadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  if (metadata.contains(kContentHash)) header[kMetadataKey][kContentHash] = hexadecimal(0);
  uint64_t begin = 0;
  for (const TensorSpec& spec : specs) {
    const uint64_t end = begin + bytes_of(spec);
    auto& entry = header[spec.name];
    SCCA_CHECK(entry.is_null(), "safetensors: two tensors are named \"", spec.name, "\"");
    entry["dtype"] = spec.stored;
    entry["shape"] = spec.shape;
    entry["data_offsets"] = {begin, end};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text;
}

/// Quotes within a string are escaped: this is the key.
size_t place_of_hash(const std::string& header) {
  const std::string key = concat('"', kContentHash, "\":\"");
  return header.find(key) + key.size();
}

}  // namespace

uint64_t bytes_of(const TensorSpec& spec) {
  return static_cast<uint64_t>(numel(spec.shape)) * element_bytes(spec.stored);
}

void write_safetensors(const fs::path& path, std::vector<TensorSpec> specs,
                       const std::function<Tensor(const std::string&)>& make, const Metadata& metadata) {
  const bool hashed = metadata.contains(kContentHash);
  std::sort(specs.begin(), specs.end(), [](const TensorSpec& a, const TensorSpec& b) {
    return std::pair(write_rank(a), a.name) < std::pair(write_rank(b), b.name);
  });
  const std::string header = header_of(specs, metadata);
  std::map<std::string, uint64_t> hashes;
  FileWriter file(path);
  file.write(header);
  for (const TensorSpec& spec : specs) {
    const Tensor tensor = make(spec.name).detach().to(Device::cpu);
    const bool halves = spec.stored == "F16";
    SCCA_CHECK(tensor && stored_name(tensor.dtype()) == (halves ? "F32" : spec.stored) &&
                   tensor.shape() == spec.shape,
               path.string(), ": tensor \"", spec.name, "\" is ", name_of(tensor.dtype()), " ",
               to_string(tensor.shape()), ", expected ", spec.stored, " ", to_string(spec.shape));
    const std::vector<uint16_t> rounded = halves ? as_halves(tensor) : std::vector<uint16_t>();
    const auto* bytes = halves ? reinterpret_cast<const std::byte*>(rounded.data()) : tensor.raw();
    if (hashed) hashes[spec.name] = hash_of({spec.stored, spec.shape, bytes, bytes_of(spec)});
    if (bytes_of(spec) > 0) file.write(bytes, bytes_of(spec));
  }
  // The tensors may be made one at a time, so that their hash is known when the header is written already.
  if (hashed) file.write_at(place_of_hash(header), content_hash(hashes, metadata));
  file.commit();
}

void write_safetensors(const fs::path& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const Metadata& metadata) {
  std::vector<TensorSpec> specs;
  std::map<std::string, const Tensor*> by_name;
  for (const auto& [name, tensor] : tensors) {
    specs.push_back({name, stored_name(tensor.dtype()), tensor.shape()});
    by_name[name] = &tensor;
  }
  write_safetensors(
      path, std::move(specs), [&](const std::string& name) { return *by_name.at(name); }, metadata);
}

}  // namespace scca
