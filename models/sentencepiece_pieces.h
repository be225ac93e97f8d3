#pragma once
// A SentencePiece model as a table of pieces, from and to the bytes of a tokenizer.model.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer_model.h"

namespace scca {

/// sentencepiece_model.proto's numbers, which GGUF uses too.
enum class PieceType : int32_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct PieceTable {
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::normal;
  };
  std::vector<Piece> pieces;  // by id
  bool adds_leading_space = true, collapses_spaces = false;
  SpecialIds special;
};

/// The bytes of a model of byte-pair encoding (LLaMA's kind) with these pieces, which rewrites
/// nothing but spaces. Throws Error beginning with `where` for a piece of no type and a BOS or EOS that is no
/// piece.
std::string sentencepiece_model(const PieceTable& table, const std::string& where);

/// The pieces of a tokenizer.model; of `special` nothing is set. Throws Error beginning with `where` for
/// bytes that are no model.
PieceTable piece_table(std::string_view serialized, const std::string& where);

}  // namespace scca
