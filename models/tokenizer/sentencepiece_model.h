#pragma once
// A SentencePiece model as its list of pieces, which is all that a GGUF file of LLaMA's kind keeps of it;
// from and to the bytes of a tokenizer.model.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

struct PieceTable {
  /// sentencepiece_model.proto's, and GGUF's tokenizer.ggml.token_type.
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Piece {
    std::string text;
    float score = 0;  // of two merges the one whose piece has the higher score is made first
    Type type = Type::normal;
  };
  std::vector<Piece> pieces = {};  // by id
  bool adds_space_prefix = true;   // a text begins with a space that it does not have
  bool collapses_spaces = false;   // several are one, those at the ends none
  int32_t bos = -1, eos = -1;      // -1: "<s>" and "</s>", where those are control pieces
};

/// The bytes of a ModelProto, for SentencePieceTokenizer: byte-pair encoding with byte fallback where there
/// are byte pieces, no text rewritten but for spaces. Throws Error beginning with `where` for a table without
/// exactly one unknown piece, a piece that is empty or comes twice, a score that is no number, and a BOS or
/// EOS that is no control piece.
std::string sentencepiece_model(const PieceTable& table, const std::string& where);

/// The pieces and spaces of a tokenizer.model; of `bos` and `eos` nothing is said. Throws Error beginning
/// with `where` for bytes that are no model, and for one that a list of pieces does not tell all of.
PieceTable piece_table(std::string_view serialized, const std::string& where);

/// LLaMA-3's own release calls its list of ranks tokenizer.model too: "IQ== 0" and so on.
bool is_tiktoken(std::string_view bytes);

}  // namespace scca
