#include "models/sentencepiece_model.h"

#include <bit>
#include <cmath>
#include <string_view>
#include <unordered_set>

#include "core/check.h"
#include "nn/json.h"

namespace scca {
namespace {

/// Writes the fields of a protocol buffer message.
class ProtoMessage {
 public:
  void number(uint64_t field, uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void bytes(uint64_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    out_ += value;
  }
  void real(uint64_t field, float value) {
    varint(field << 3 | 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) out_ += static_cast<char>(bits >> shift & 0xff);
  }
  const std::string& text() const { return out_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>((value & 0x7f) | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

using Type = PieceTable::Type;

void check(const PieceTable& table, const std::string& where) {
  std::unordered_set<std::string_view> texts;
  size_t unknown = 0;
  for (size_t id = 0; id < table.pieces.size(); ++id) {
    const auto& [text, score, type] = table.pieces[id];
    SCCA_CHECK(!text.empty() && texts.insert(text).second, where, ": piece ", id, " is ",
               short_text(Json(text)), ", expected a text that no other piece has");
    SCCA_CHECK(std::isfinite(score), where, ": piece ", id, " has score ", score, ", expected a number");
    unknown += type == Type::unknown;
  }
  SCCA_CHECK(unknown == 1, where, ": ", unknown, " pieces of type unknown, expected one");
  for (const int32_t id : {table.bos, table.eos}) {
    const bool there = id >= 0 && id < std::ssize(table.pieces);
    SCCA_CHECK(id == -1 || (there && table.pieces[static_cast<size_t>(id)].type == Type::control), where,
               ": BOS or EOS is id ", id, ", expected a piece of type control");
  }
}

}  // namespace

// Field numbers: sentencepiece_model.proto.
std::string sentencepiece_model(const PieceTable& table, const std::string& where) {
  check(table, where);
  ProtoMessage model, trainer, normalizer;
  bool has_bytes = false;
  for (const auto& [text, score, type] : table.pieces) {
    ProtoMessage piece;
    piece.bytes(1, text);
    piece.real(2, score);
    piece.number(3, static_cast<uint64_t>(type));
    model.bytes(1, piece.text());
    has_bytes = has_bytes || type == Type::byte;
  }
  constexpr uint64_t kBpe = 2;
  trainer.number(3, kBpe);                 // model_type
  trainer.number(4, table.pieces.size());  // vocab_size
  trainer.number(35, has_bytes);           // byte_fallback
  const auto name = [&](uint64_t field, int32_t id) {
    if (id >= 0) trainer.bytes(field, table.pieces[static_cast<size_t>(id)].text);
  };
  for (const auto& [text, score, type] : table.pieces)
    if (type == Type::unknown) trainer.bytes(45, text);  // unk_piece
  name(46, table.bos);                                   // bos_piece
  name(47, table.eos);                                   // eos_piece
  model.bytes(2, trainer.text());
  normalizer.bytes(1, "identity");
  normalizer.bytes(2, "");                        // precompiled_charsmap
  normalizer.number(3, table.adds_space_prefix);  // add_dummy_prefix
  normalizer.number(4, 0);                        // remove_extra_whitespaces
  normalizer.number(5, 1);                        // escape_whitespaces
  model.bytes(3, normalizer.text());
  return model.text();
}

}  // namespace scca
