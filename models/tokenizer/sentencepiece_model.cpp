#include "models/tokenizer/sentencepiece_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>
#include <unordered_set>

#include "core/check.h"
#include "models/tokenizer/protobuf.h"
#include "models/tokenizer/sentencepiece_settings.h"
#include "nn/json.h"

namespace scca {
namespace {

using Type = PieceTable::Type;

void check(const PieceTable& table, const std::string& where) {
  std::unordered_set<std::string_view> texts;
  size_t unknown = 0;
  for (size_t id = 0; id < table.pieces.size(); ++id) {
    const auto& [text, score, type] = table.pieces[id];
    SCCA_CHECK(!text.empty() && texts.insert(text).second, where, ": piece ", id, " is ",
               short_text(Json(text)), ", expected a text that no other piece has");
    SCCA_CHECK(std::isfinite(score), where, ": piece ", id, " has score ", score, ", expected a number");
    SCCA_CHECK(type >= Type::normal && type <= Type::byte, where, ": piece ", id, " is of type ",
               static_cast<int>(type), ", expected 1 to 6");
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

namespace {

// Field numbers of sentencepiece_model.proto: of ModelProto, SentencePiece, TrainerSpec and NormalizerSpec.
constexpr uint64_t kPieces = 1, kTrainer = 2, kNormalizer = 3;
constexpr uint64_t kText = 1, kScore = 2, kType = 3;
constexpr uint64_t kModelType = 3, kVocabSize = 4, kByteFallback = 35, kUnkPiece = 45, kBosPiece = 46,
                   kEosPiece = 47;
constexpr uint64_t kName = 1, kCharacterMap = 2, kSpacePrefix = 3, kCollapse = 4, kEscape = 5;
constexpr uint64_t kBpe = 2;

std::string trainer_of(const PieceTable& table) {
  ProtobufMessage trainer;
  const auto has_type = [&](Type type) {
    return std::ranges::find(table.pieces, type, &PieceTable::Piece::type) != table.pieces.end();
  };
  trainer.number(kModelType, kBpe).number(kVocabSize, table.pieces.size());
  trainer.number(kByteFallback, has_type(Type::byte));
  const auto name = [&](uint64_t field, int32_t id) {
    if (id >= 0) trainer.bytes(field, table.pieces[static_cast<size_t>(id)].text);
  };
  trainer.bytes(kUnkPiece, std::ranges::find(table.pieces, Type::unknown, &PieceTable::Piece::type)->text);
  name(kBosPiece, table.bos);
  name(kEosPiece, table.eos);
  return trainer.text();
}

}  // namespace

std::string sentencepiece_model(const PieceTable& table, const std::string& where) {
  check(table, where);
  ProtobufMessage model, normalizer;
  for (const auto& [text, score, type] : table.pieces) {
    ProtobufMessage piece;
    piece.bytes(kText, text)
        .number32(kScore, std::bit_cast<uint32_t>(score))
        .number(kType, static_cast<uint64_t>(type));
    model.bytes(kPieces, piece.text());
  }
  normalizer.bytes(kName, "identity")
      .bytes(kCharacterMap, "")
      .number(kSpacePrefix, table.adds_space_prefix)
      .number(kCollapse, table.collapses_spaces)
      .number(kEscape, 1);
  return model.bytes(kTrainer, trainer_of(table)).bytes(kNormalizer, normalizer.text()).text();
}

PieceTable piece_table(std::string_view serialized, const std::string& where) {
  const auto settings = sentencepiece_settings(serialized);
  SCCA_CHECK(settings, where, ": no SentencePiece model");
  SCCA_CHECK(
      settings->is_bpe && !settings->maps_characters && !settings->spaces_at_end, where,
      ": a SentencePiece model that is not byte-pair encoding, maps characters or has a word's space behind "
      "it cannot be written as a list of pieces");
  PieceTable table{.adds_space_prefix = settings->adds_leading_space,
                   .collapses_spaces = settings->collapses_spaces};
  ProtobufFields model(serialized);
  while (model.next()) {
    if (model.number != kPieces) continue;
    PieceTable::Piece piece;
    ProtobufFields fields(model.bytes);
    while (fields.next()) {
      if (fields.number == kText) piece.text = fields.bytes;
      if (fields.number == kScore) piece.score = std::bit_cast<float>(static_cast<uint32_t>(fields.value));
      if (fields.number == kType) piece.type = static_cast<Type>(fields.value);
    }
    SCCA_CHECK(fields.good(), where, ": no SentencePiece model");
    table.pieces.push_back(std::move(piece));
  }
  return table;
}

bool is_tiktoken(std::string_view bytes) {
  const size_t space = bytes.substr(0, 64).find(' ');
  return space != std::string_view::npos && bytes.substr(space).starts_with(" 0\n") &&
         bytes.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
             space;
}

}  // namespace scca
