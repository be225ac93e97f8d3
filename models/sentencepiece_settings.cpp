#include "models/sentencepiece_settings.h"

#include <cstdint>

namespace scca {
namespace {

/// Walks the fields of a protocol buffer message.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  /// To the next field; false at the end, or when the bytes are no message (then good() is false).
  bool next() {
    if (rest_.empty() || !good_) return false;
    const uint64_t key = varint();
    number = key >> 3;
    value = 0;
    bytes = {};
    switch (key & 7) {
      case 0:
        value = varint();
        break;
      case 1:
        take(8);
        break;
      case 2:
        bytes = take(varint());
        break;
      case 5:
        take(4);
        break;
      default:
        good_ = false;
    }
    return good_;
  }
  bool good() const { return good_; }

  uint64_t number = 0;
  uint64_t value = 0;      // of a number or bool
  std::string_view bytes;  // of a string or message

 private:
  uint64_t varint() {
    uint64_t result = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::string_view byte = take(1);
      if (byte.empty()) return 0;
      result |= uint64_t{static_cast<uint8_t>(byte[0]) & 0x7fu} << shift;
      if (!(byte[0] & 0x80)) return result;
    }
    good_ = false;
    return 0;
  }
  std::string_view take(uint64_t count) {
    if (count > rest_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::optional<SentencePieceSettings> sentencepiece_settings(std::string_view serialized_model) {
  constexpr uint64_t kTrainer = 2, kNormalizer = 3;                      // in ModelProto
  constexpr uint64_t kModelType = 3, kSuffix = 24;                       // in TrainerSpec
  constexpr uint64_t kMap = 2, kPrefix = 3, kCollapse = 4, kEscape = 5;  // in NormalizerSpec
  constexpr uint64_t kBpe = 2;

  SentencePieceSettings settings;
  bool has_map = false, collapses = true, escapes = true, good = true;
  Fields model(serialized_model);
  while (model.next()) {
    Fields fields(model.number == kTrainer || model.number == kNormalizer ? model.bytes : std::string_view());
    while (fields.next()) {
      if (model.number == kTrainer) {
        if (fields.number == kModelType) settings.is_bpe = fields.value == kBpe;
        if (fields.number == kSuffix) settings.spaces_at_end = fields.value != 0;
      } else {
        if (fields.number == kMap) has_map = !fields.bytes.empty();
        if (fields.number == kPrefix) settings.adds_leading_space = fields.value != 0;
        if (fields.number == kCollapse) collapses = fields.value != 0;
        if (fields.number == kEscape) escapes = fields.value != 0;
      }
    }
    good = good && fields.good();
  }
  if (!good || !model.good()) return std::nullopt;
  settings.rewrites_text = has_map || collapses || !escapes;
  return settings;
}

}  // namespace scca
