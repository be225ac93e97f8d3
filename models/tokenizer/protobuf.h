#pragma once
// Protocol buffers' wire format, as far as tokenizer.model needs it:
// https://protobuf.dev/programming-guides/encoding/.
#include <cstdint>
#include <string>
#include <string_view>

namespace scca {

/// Walks the fields of a protocol buffer message.
class ProtobufFields {
 public:
  explicit ProtobufFields(std::string_view message) : rest_(message) {}

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
        value = little_endian32(take(4));
        break;
      default:
        good_ = false;
    }
    return good_;
  }
  bool good() const { return good_; }

  uint64_t number = 0;
  uint64_t value = 0;      // of a number, a bool, or the four bytes of a float
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

  static uint64_t little_endian32(std::string_view four) {
    uint64_t result = 0;
    for (size_t i = 0; i < four.size(); ++i) result |= uint64_t{static_cast<uint8_t>(four[i])} << 8 * i;
    return result;
  }

  std::string_view rest_;
  bool good_ = true;
};

/// A message to be.
class ProtobufMessage {
 public:
  ProtobufMessage& number(uint64_t field, uint64_t value) {
    put(field << 3);
    put(value);
    return *this;
  }
  ProtobufMessage& number32(uint64_t field, uint32_t value) {
    put(field << 3 | 5);
    for (int i = 0; i < 4; ++i) text_ += static_cast<char>(value >> 8 * i);
    return *this;
  }
  /// A string or a message.
  ProtobufMessage& bytes(uint64_t field, std::string_view value) {
    put(field << 3 | 2);
    put(value.size());
    text_ += value;
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  void put(uint64_t varint) {
    for (; varint >= 0x80; varint >>= 7) text_ += static_cast<char>(varint | 0x80);
    text_ += static_cast<char>(varint);
  }

  std::string text_;
};

}  // namespace scca
