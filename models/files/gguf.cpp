#include "models/files/gguf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>

#include "core/check.h"
#include "core/file.h"
#include "core/half.h"
#include "core/parallel.h"
#include "models/files/block_formats.h"
#include "ops/quantize.h"

namespace scca {
namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "GGUF files are little-endian and used in place");

namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kAlignment = 32;  // where a file names no other
constexpr uint32_t kMostDimensions = 4;

/// The kinds of values, by their numbers in a file.
enum class Kind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// How elements are stored, by their numbers in a file: ggml_type.
struct Storage {
  uint32_t type;
  std::string_view name;
  int64_t elements;  // in a block
  uint64_t bytes;    // of a block
};

/// Those that can be read, and those that are known by name alone, so that a message can name them.
const std::vector<Storage>& storages() {
  static const std::vector<Storage> kStorages = [] {
    std::vector<Storage> all{{0, "F32", 1, 4}, {1, "F16", 1, 2},  {30, "BF16", 1, 2}, {28, "F64", 1, 8},
                             {24, "I8", 1, 1}, {25, "I16", 1, 2}, {26, "I32", 1, 4},  {27, "I64", 1, 8}};
    for (const BlockFormat& format : block_formats())
      all.push_back({format.type, format.name, format.weights(), layout_of(format.dtype).bytes});
    return all;
  }();
  return kStorages;
}

/// ggml's other formats, for messages.
std::string name_of_type(uint32_t type) {
  static const std::map<uint32_t, const char*> kOthers{
      {9, "Q8_1"},     {10, "Q2_K"},  {11, "Q3_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"},
      {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"},
      {29, "IQ1_M"},   {34, "TQ1_0"}, {35, "TQ2_0"},  {39, "MXFP4"}};
  const auto found = kOthers.find(type);
  return found == kOthers.end() ? concat("format ", type) : found->second;
}

/// Reads from front to end. Every length is held against the bytes that are left.
class Cursor {
 public:
  Cursor(std::string file, const std::byte* data, uint64_t size)
      : file_(std::move(file)), data_(data), size_(size) {}

  const std::string& file() const { return file_; }
  uint64_t at() const { return at_; }

  /// `bytes` further bytes; `what` they are for.
  const std::byte* take(uint64_t bytes, std::string_view what) {
    SCCA_CHECK(bytes <= size_ - at_, file_, ": ", what, " at byte ", at_, " takes ", bytes,
               " bytes, but only ", size_ - at_, " follow (cut short?)");
    const std::byte* taken = data_ + at_;
    at_ += bytes;
    return taken;
  }
  template <class T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what), sizeof value);
    return value;
  }
  std::string text(std::string_view what) {
    const auto length = number<uint64_t>(what);
    return std::string(reinterpret_cast<const char*>(take(length, what)), length);
  }
  /// That `count` things of at least `each` bytes can follow, before room is made for them.
  void expect(uint64_t count, uint64_t each, std::string_view what) const {
    SCCA_CHECK(count <= (size_ - at_) / each, file_, ": says that ", count, ' ', what, " follow, but only ",
               size_ - at_, " bytes do (cut short?)");
  }

 private:
  std::string file_;
  const std::byte* data_;
  uint64_t size_, at_ = 0;
};

Json value_of(Cursor& cursor, uint32_t kind, const std::string& what, bool in_array);

/// Bytes of the shortest value of a kind.
uint64_t least_bytes(Kind kind) {
  switch (kind) {
    case Kind::u8:
    case Kind::i8:
    case Kind::boolean:
      return 1;
    case Kind::u16:
    case Kind::i16:
      return 2;
    case Kind::u32:
    case Kind::i32:
    case Kind::f32:
      return 4;
    default:
      return 8;
  }
}

Json array_of(Cursor& cursor, const std::string& what) {
  const auto kind = cursor.number<uint32_t>(what);
  const auto count = cursor.number<uint64_t>(what);
  cursor.expect(count, least_bytes(static_cast<Kind>(kind)), "values of " + what);
  Json::array_t values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) values.push_back(value_of(cursor, kind, what, true));
  return values;
}

Json value_of(Cursor& cursor, uint32_t kind, const std::string& what, bool in_array) {
  switch (static_cast<Kind>(kind)) {
    case Kind::u8:
      return cursor.number<uint8_t>(what);
    case Kind::i8:
      return cursor.number<int8_t>(what);
    case Kind::u16:
      return cursor.number<uint16_t>(what);
    case Kind::i16:
      return cursor.number<int16_t>(what);
    case Kind::u32:
      return cursor.number<uint32_t>(what);
    case Kind::i32:
      return cursor.number<int32_t>(what);
    case Kind::f32:
      return cursor.number<float>(what);
    case Kind::boolean:
      return cursor.number<uint8_t>(what) != 0;
    case Kind::string:
      return cursor.text(what);
    case Kind::u64:
      return cursor.number<uint64_t>(what);
    case Kind::i64:
      return cursor.number<int64_t>(what);
    case Kind::f64:
      return cursor.number<double>(what);
    case Kind::array:
      SCCA_CHECK(!in_array, cursor.file(), ": ", what,
                 " is an array of arrays, which no setting of a model is");
      return array_of(cursor, what);
  }
  fail(cursor.file(), ": ", what, " is of kind ", kind, ", expected one of 0 to 12");
}

/// A tensor's line in the table, and where its bytes begin behind the table.
struct Line {
  StoredTensor tensor;
  uint64_t offset = 0;
};

Line line_of(Cursor& cursor, const std::string& where) {
  const auto dimensions = cursor.number<uint32_t>(where);
  SCCA_CHECK(dimensions <= kMostDimensions, where, " has ", dimensions, " dimensions, expected at most ",
             kMostDimensions);
  Line line;
  uint64_t elements = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto size = cursor.number<uint64_t>(where);
    SCCA_CHECK(size <= uint64_t{INT64_MAX} && !__builtin_mul_overflow(elements, size, &elements), where,
               ": its sizes have more elements than 64 bits count");
    line.tensor.shape.insert(line.tensor.shape.begin(), static_cast<int64_t>(size));
  }
  const auto type = cursor.number<uint32_t>(where);
  const auto storage = std::ranges::find(storages(), type, &Storage::type);
  if (storage == storages().end()) {
    std::string known;
    for (const BlockFormat& format : block_formats()) known += concat(", ", format.name);
    fail(where, " is ", name_of_type(type), ", which is not read; expected F32, F16, BF16", known);
  }
  line.tensor.dtype = storage->name;
  const auto row = static_cast<uint64_t>(line.tensor.shape.empty() ? 1 : line.tensor.shape.back());
  const auto block = static_cast<uint64_t>(storage->elements);
  SCCA_CHECK(row % block == 0, where, ": rows of ", row, " elements are not whole blocks of ", block, ", as ",
             storage->name, " has them");
  uint64_t bytes;
  SCCA_CHECK(!__builtin_mul_overflow(elements / block, storage->bytes, &bytes), where,
             ": its sizes take more bytes than 64 bits count");
  line.tensor.bytes = bytes;
  line.offset = cursor.number<uint64_t>(where);
  return line;
}

/// Their bytes lie in the data, begin where they may, and are no other tensor's.
void place_tensors(const std::string& file, std::map<std::string, Line>& lines, const std::byte* data,
                   uint64_t data_bytes, uint64_t alignment) {
  std::vector<std::pair<uint64_t, std::string>> order;
  for (auto& [name, line] : lines) {
    SCCA_CHECK(line.offset % alignment == 0, file, ": tensor ", short_text(Json(name)), " begins at byte ",
               line.offset, " of the data, expected a multiple of ", alignment);
    SCCA_CHECK(line.offset <= data_bytes && line.tensor.bytes <= data_bytes - line.offset, file, ": tensor ",
               short_text(Json(name)), " takes ", line.tensor.bytes, " bytes from byte ", line.offset,
               " on, but the data are ", data_bytes, " bytes (cut short?)");
    line.tensor.data = data + line.offset;
    if (line.tensor.bytes > 0) order.emplace_back(line.offset, name);
  }
  std::ranges::sort(order);
  for (size_t i = 1; i < order.size(); ++i)
    SCCA_CHECK(order[i - 1].first + lines[order[i - 1].second].tensor.bytes <= order[i].first, file,
               ": tensors ", short_text(Json(order[i - 1].second)), " and ",
               short_text(Json(order[i].second)), " overlap");
}

uint64_t aligned(uint64_t at, uint64_t alignment) { return (at + alignment - 1) / alignment * alignment; }

}  // namespace

bool is_gguf(const fs::path& path) {
  std::error_code none_there;
  if (!fs::is_regular_file(path, none_there)) return false;
  char begin[kMagic.size()] = {};
  std::ifstream(path, std::ios::binary).read(begin, sizeof begin);
  return path.extension() == ".gguf" || std::string_view(begin, sizeof begin) == kMagic;
}

GgufFile::GgufFile(const fs::path& path) : path_(path), mapping_(MappedFile::open(path)) {
  const std::string file = path.string();
  refuse_lfs_pointer(
      path, {reinterpret_cast<const char*>(mapping_->data()), std::min<size_t>(mapping_->size(), 64)});
  Cursor cursor(file, mapping_->data(), mapping_->size());
  SCCA_CHECK(mapping_->size() >= 4 && std::memcmp(mapping_->data(), kMagic.data(), 4) == 0, file,
             ": is no GGUF file: it does not begin with \"GGUF\"");
  cursor.take(4, "the first word");
  const auto version = cursor.number<uint32_t>("the version");
  SCCA_CHECK(version == 2 || version == 3, file, ": is GGUF version ",
             version > 0xffff ? "of a big-endian machine" : std::to_string(version), ", expected 2 or 3");
  const auto tensors = cursor.number<uint64_t>("the number of tensors");
  const auto settings = cursor.number<uint64_t>("the number of settings");
  cursor.expect(settings, 13, "settings");
  for (uint64_t i = 0; i < settings; ++i) {
    const std::string key = cursor.text(concat("the name of setting ", i));
    const std::string what = "setting " + short_text(Json(key));
    const uint64_t begin = cursor.at();
    const auto kind = cursor.number<uint32_t>(what);
    GgufEntry entry{value_of(cursor, kind, what, false), {}};
    entry.bytes = {reinterpret_cast<const char*>(mapping_->data()) + begin, cursor.at() - begin};
    SCCA_CHECK(metadata_.emplace(key, std::move(entry)).second, file, ": ", what, " comes twice");
  }
  const auto named = metadata_.find("general.alignment");
  const Json alignment = named == metadata_.end() ? Json(kAlignment) : named->second.value;
  SCCA_CHECK(alignment.is_number_unsigned() && std::has_single_bit(alignment.get<uint64_t>()) &&
                 alignment.get<uint64_t>() >= 8 && alignment.get<uint64_t>() <= 1 << 20,
             file, ": general.alignment is ", short_text(alignment),
             ", expected a power of two from 8 to 2^20");

  cursor.expect(tensors, 24, "tensors");
  std::map<std::string, Line> lines;
  for (uint64_t i = 0; i < tensors; ++i) {
    const std::string name = cursor.text(concat("the name of tensor ", i));
    const std::string where = concat(file, ": tensor ", short_text(Json(name)));
    SCCA_CHECK(lines.emplace(name, line_of(cursor, where)).second, where, " comes twice");
  }
  const uint64_t data = std::min<uint64_t>(aligned(cursor.at(), alignment.get<uint64_t>()), mapping_->size());
  place_tensors(file, lines, mapping_->data() + data, mapping_->size() - data, alignment.get<uint64_t>());
  for (auto& [name, line] : lines) tensors_.emplace(name, std::move(line.tensor));
}

Json GgufFile::settings(std::string_view prefix) const {
  Json some = Json::object();
  for (const auto& [key, entry] : metadata_)
    if (key.starts_with(prefix)) some[key.substr(prefix.size())] = entry.value;
  return some;
}

namespace {

template <class T>
std::string bytes_of(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string bytes_of(Kind kind) { return bytes_of(static_cast<uint32_t>(kind)); }
std::string bytes_of(const std::string& text) { return bytes_of(uint64_t{text.size()}) + text; }

template <class T>
std::string array_bytes(Kind kind, const std::vector<T>& values) {
  std::string bytes = bytes_of(Kind::array) + bytes_of(kind) + bytes_of(uint64_t{values.size()});
  for (const T& value : values) bytes += bytes_of(value);
  return bytes;
}

/// Rows as the bytes of the format; false for a weight that it cannot hold.
bool encode_row(const std::string& dtype, const std::vector<float>& row, std::byte* out) {
  if (!std::ranges::all_of(row, [](float w) { return std::isfinite(w); })) return false;
  if (dtype == "F32") {
    std::memcpy(out, row.data(), row.size() * sizeof(float));
    return true;
  }
  if (dtype == "F16") {
    bool holds = true;
    for (size_t i = 0; i < row.size(); ++i) {
      const uint16_t half = to_half(row[i]);
      holds = holds && std::isfinite(from_half(half));
      std::memcpy(out + i * sizeof half, &half, sizeof half);
    }
    return holds;
  }
  return quantize_row(block_format(dtype)->dtype, row.data(), static_cast<int64_t>(row.size()), out);
}

const Storage& storage_of(const std::string& dtype) {
  const auto found = std::ranges::find(storages(), std::string_view(dtype), &Storage::name);
  const BlockFormat* format = block_format(dtype);
  SCCA_CHECK(
      found != storages().end() && (format ? can_quantize(format->dtype) : dtype == "F32" || dtype == "F16"),
      "gguf: ", dtype, " is not written; expected F32, F16, Q8_0 or Q4_0");
  return *found;
}

uint64_t bytes_of_tensor(const Shape& shape, const std::string& dtype) {
  const Storage& storage = storage_of(dtype);
  return static_cast<uint64_t>(numel(shape) / storage.elements) * storage.bytes;
}

}  // namespace

void GgufContent::set(const std::string& key, uint32_t value) {
  settings_.emplace_back(key, bytes_of(Kind::u32) + bytes_of(value));
}
void GgufContent::set(const std::string& key, float value) {
  settings_.emplace_back(key, bytes_of(Kind::f32) + bytes_of(value));
}
void GgufContent::set(const std::string& key, bool value) {
  settings_.emplace_back(key, bytes_of(Kind::boolean) + bytes_of(static_cast<uint8_t>(value)));
}
void GgufContent::set(const std::string& key, const std::string& value) {
  settings_.emplace_back(key, bytes_of(Kind::string) + bytes_of(value));
}
void GgufContent::set(const std::string& key, const std::vector<std::string>& values) {
  settings_.emplace_back(key, array_bytes(Kind::string, values));
}
void GgufContent::set(const std::string& key, const std::vector<float>& values) {
  settings_.emplace_back(key, array_bytes(Kind::f32, values));
}
void GgufContent::set(const std::string& key, const std::vector<int32_t>& values) {
  settings_.emplace_back(key, array_bytes(Kind::i32, values));
}

void GgufContent::add(const std::string& name, const Shape& rows_first, const std::string& dtype,
                      std::function<void(int64_t, float*)> row) {
  const int64_t block = storage_of(dtype).elements;
  SCCA_CHECK(rows_first.back() % block == 0, name, ": rows of ", rows_first.back(),
             " weights are not whole blocks of ", block, ", as ", dtype, " needs them; choose F16");
  parts_.push_back({name, rows_first, dtype, std::move(row)});
}

void GgufContent::write(const fs::path& path) const {
  std::string head = std::string(kMagic) + bytes_of(uint32_t{3}) + bytes_of(uint64_t{parts_.size()}) +
                     bytes_of(uint64_t{settings_.size()});
  for (const auto& [key, value] : settings_) head += bytes_of(key) + value;
  uint64_t offset = 0;
  for (const Part& part : parts_) {
    head += bytes_of(part.name) + bytes_of(static_cast<uint32_t>(part.shape.size()));
    for (auto size = part.shape.rbegin(); size != part.shape.rend(); ++size)
      head += bytes_of(static_cast<uint64_t>(*size));
    head += bytes_of(storage_of(part.dtype).type) + bytes_of(offset);
    offset = aligned(offset + bytes_of_tensor(part.shape, part.dtype), kAlignment);
  }
  head.resize(aligned(head.size(), kAlignment));
  FileWriter file(path);
  file.write(head);
  for (const Part& part : parts_) {
    const uint64_t bytes = bytes_of_tensor(part.shape, part.dtype);
    std::vector<std::byte> data(aligned(bytes, kAlignment));
    const int64_t width = part.shape.back(), rows = numel(part.shape) / width;
    parallel_for(rows, std::max<int64_t>(1, kElementwiseGrain / width), [&](int64_t begin, int64_t end) {
      std::vector<float> row(static_cast<size_t>(width));
      for (int64_t i = begin; i < end; ++i) {
        part.row(i, row.data());
        SCCA_CHECK(encode_row(part.dtype, row, data.data() + static_cast<uint64_t>(i) * (bytes / rows)),
                   path.string(), ": tensor ", part.name, " has a weight that is no finite number of ",
                   part.dtype, ", in row ", i);
      }
    });
    file.write(data.data(), data.size());
  }
  file.commit();
}

}  // namespace scca
