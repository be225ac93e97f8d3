#pragma once
// Tokens that files beside a tokenizer add to it: <pad>, <|im_start|>, ...
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/tokenizer_model.h"
#include "nn/json.h"

namespace scca {

struct AddedToken {
  std::string text;
  bool takes_space_before = false, takes_space_after = false;  // lstrip, rstrip
  bool special = false;                                        // shows no text when it is decoded
};

/// With what belongs to byte-pair encoding alone.
struct BpeAddedToken : AddedToken {
  int32_t id = -1;
  bool single_word = false;  // found only where no letter, digit or underscore stands beside it
  bool normalized = false;   // looked for in the normalized text, spelled as the normalizer spells it
};

/// What an object says of a token ("content", "lstrip", ...), but for its id, which files have in other
/// places.
BpeAddedToken added_token(const JsonFields& fields);

/// Of a folder's tokenizer_config.json (added_tokens_decoder), of tokenizer.json (`own`) and of
/// added_tokens.json, by id; what the first of these says of one goes. Throws Error naming the file for an id
/// that two texts claim.
std::vector<BpeAddedToken> listed_tokens(const std::filesystem::path& folder,
                                         const std::vector<BpeAddedToken>& own);

/// tokenizer_config.json's add_bos_token.
std::optional<bool> adds_bos(const std::filesystem::path& folder);

/// What a folder's tokenizer_config.json or, where that has not the same key, special_tokens_map.json names
/// as a special token, without its id: bos_token to mask_token, additional_special_tokens,
/// extra_special_tokens.
struct NamedToken {
  std::string where, key, text;  // where: the file

  /// False for padding and the like, which stand in no text here: one that has no id does no harm.
  bool is_of_texts() const;
};
std::vector<NamedToken> named_tokens(const std::filesystem::path& folder);
/// Throws Error: it is in no vocabulary.
[[noreturn]] void refuse_unknown(const NamedToken& token, const char* vocabulary);

struct AddedTokens {
  std::vector<AddedToken> tokens;  // the first has id pieces, the next pieces + 1, ...
  /// Whether text behind an added token begins with the space that SentencePiece puts before a text
  /// (tokenizer_config.json's `legacy`; true where it says nothing, as in transformers 4).
  bool legacy = true;
  /// Whether a text is meant to begin with BOS: add_bos_token, else what a tokenizer.json beside it puts in
  /// front, else false.
  bool adds_bos = false;
  int32_t bos = -1, eos = -1;  // bos_token and eos_token; -1 where no file names one: the model's own
};

/// listed_tokens() of a folder with this SentencePiece model, in which a tokenizer.json may lie too. Throws
/// Error naming the file for a gap behind the pieces, an id below theirs with another text than its piece,
/// single_word, a named token of texts that is in none of the files, and a tokenizer.json that puts another
/// token than BOS in front of a text.
AddedTokens read_added_tokens(const std::filesystem::path& folder, const TokenizerModel& model);

/// Where the next of the tokens stands in `text` from `begin` on: the earliest, of those the longest; token
/// -1 for none. `special`: special ones are looked for too.
struct AddedTokenAt {
  size_t begin = 0;
  int64_t token = -1;
};
AddedTokenAt find_added_token(const std::vector<AddedToken>& tokens, std::string_view text, size_t begin,
                              bool special = true);

}  // namespace scca
