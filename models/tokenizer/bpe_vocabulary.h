#pragma once
// A byte-pair-encoding tokenizer as plain data: what tokenizer.json says, and what a GGUF file's metadata can
// say too.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/tokenizer/added_tokens.h"
#include "models/tokenizer/text_steps.h"
#include "models/tokenizer/tokenizer_model.h"

namespace scca {

/// How the text of ids is put together from their pieces.
struct PieceDecoding {
  std::vector<std::pair<std::string, std::string>> replace = {};  // in each piece, in this order
  int64_t strip = 0;                  // so many spaces are taken away at the text's start
  bool first_drops_replaced = false;  // the first piece loses what `replace` names (Metaspace)
};

struct BpeVocabulary {
  std::vector<std::string> pieces = {};                          // by id, spelled as in the file
  std::vector<std::pair<std::string, std::string>> merges = {};  // the first is made first

  std::vector<TextStep> normalizer = {}, pre_tokenizer = {};
  /// Pieces are spelled in GPT-2's alphabet, in which each byte has a character ("Ġ" is a space).
  bool byte_level = true;
  /// A character without a piece becomes its bytes' pieces "<0x00>" to "<0xFF>", where all are there.
  bool byte_fallback = false;
  /// A word that is a piece is that piece, whatever the merges would make of it (LLaMA-3).
  bool ignore_merges = false;
  /// What a character without a piece becomes; without it such a character gives no id, as in `tokenizers`.
  int32_t unknown = -1;
  bool fuse_unknown = false;  // one for a run of them
  PieceDecoding decoding = {};

  /// Each is a piece, or goes on behind the pieces.
  std::vector<BpeAddedToken> added = {};
  SpecialIds special = {};
};

/// "a b" as tokenizer.json's and GGUF's lists of merges have it. Throws Error beginning with `where` for
/// another number of spaces.
std::pair<std::string, std::string> merge_of(const std::string& text, const std::string& where);

}  // namespace scca
