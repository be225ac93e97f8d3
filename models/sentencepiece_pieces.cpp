#include "models/sentencepiece_pieces.h"

#include <bit>
#include <cstring>

#include "core/check.h"
#include "models/protobuf.h"
#include "models/sentencepiece_settings.h"

namespace scca {
namespace {

// Numbers of fields in sentencepiece_model.proto.
constexpr uint64_t kPieces = 1, kTrainer = 2, kNormalizer = 3;
constexpr uint64_t kText = 1, kScore = 2, kType = 3;
constexpr uint64_t kModelType = 3, kVocabSize = 4, kByteFallback = 35, kUnkId = 40, kBosId = 41, kEosId = 42,
                   kPadId = 43, kUnkPiece = 45, kBosPiece = 46, kEosPiece = 47;
constexpr uint64_t kName = 1, kLeadingSpace = 3, kCollapse = 4, kEscape = 5;
constexpr uint64_t kBpe = 2;

std::string trainer_of(const PieceTable& table, const std::string& where) {
  ProtobufMessage trainer;
  trainer.number(kModelType, kBpe).number(kVocabSize, table.pieces.size());
  bool bytes = false;
  int64_t unknown = -1;
  for (size_t i = 0; i < table.pieces.size(); ++i) {
    bytes = bytes || table.pieces[i].type == PieceType::byte;
    if (table.pieces[i].type == PieceType::unknown) unknown = static_cast<int64_t>(i);
  }
  SCCA_CHECK(unknown >= 0, where, ": no piece stands for what is unknown; SentencePiece needs one");
  trainer.number(kByteFallback, bytes);
  const auto special = [&](const char* name, int64_t id, uint64_t id_field, uint64_t piece_field) {
    SCCA_CHECK(id < std::ssize(table.pieces), where, ": ", name, " is id ", id, ", beyond the ",
               table.pieces.size(), " pieces");
    trainer.number(id_field, static_cast<uint64_t>(id));  // -1: none
    // Without a name it would be the piece that is called so by default: a name that no piece has.
    trainer.bytes(piece_field, id < 0 ? concat("no ", name) : table.pieces[static_cast<size_t>(id)].text);
  };
  special("UNK", unknown, kUnkId, kUnkPiece);
  special("BOS", table.special.bos, kBosId, kBosPiece);
  special("EOS", table.special.eos, kEosId, kEosPiece);
  trainer.number(kPadId, static_cast<uint64_t>(int64_t{-1}));
  return trainer.text();
}

}  // namespace

std::string sentencepiece_model(const PieceTable& table, const std::string& where) {
  ProtobufMessage model;
  for (const PieceTable::Piece& piece : table.pieces) {
    const auto type = static_cast<int32_t>(piece.type);
    SCCA_CHECK(type >= 1 && type <= 6, where, ": a piece is of type ", type, ", expected 1 to 6");
    ProtobufMessage message;
    message.bytes(kText, piece.text).number32(kScore, std::bit_cast<uint32_t>(piece.score));
    if (piece.type != PieceType::normal) message.number(kType, static_cast<uint64_t>(type));
    model.bytes(kPieces, message.text());
  }
  ProtobufMessage normalizer;
  normalizer.bytes(kName, "identity")
      .number(kLeadingSpace, table.adds_leading_space)
      .number(kCollapse, table.collapses_spaces)
      .number(kEscape, 1);
  return model.bytes(kTrainer, trainer_of(table, where)).bytes(kNormalizer, normalizer.text()).text();
}

PieceTable piece_table(std::string_view serialized, const std::string& where) {
  PieceTable table;
  const auto settings = sentencepiece_settings(serialized);
  SCCA_CHECK(settings, where, ": no SentencePiece model");
  SCCA_CHECK(!settings->maps_characters, where, ": a SentencePiece model that maps characters (",
             "normalizer_spec.precompiled_charsmap) cannot be written as a table of pieces");
  table.adds_leading_space = settings->adds_leading_space;
  table.collapses_spaces = settings->collapses_spaces;
  ProtobufFields model(serialized);
  while (model.next()) {
    if (model.number != kPieces) continue;
    PieceTable::Piece piece;
    ProtobufFields fields(model.bytes);
    while (fields.next()) {
      if (fields.number == kText) piece.text = fields.bytes;
      if (fields.number == kScore) piece.score = std::bit_cast<float>(static_cast<uint32_t>(fields.value));
      if (fields.number == kType) piece.type = static_cast<PieceType>(fields.value);
    }
    SCCA_CHECK(fields.good(), where, ": no SentencePiece model");
    table.pieces.push_back(std::move(piece));
  }
  return table;
}

}  // namespace scca
