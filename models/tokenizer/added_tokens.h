#pragma once
// Tokens that a model's folder adds behind the SentencePiece model's pieces: <pad>, <|im_start|>, ...
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

struct AddedToken {
  std::string text;
  bool takes_space_before = false, takes_space_after = false;  // lstrip, rstrip
  bool special = false;                                        // shows no text when it is decoded
};

struct AddedTokens {
  std::vector<AddedToken> tokens;  // the first has id pieces, the next pieces + 1, ...
  /// Whether text behind an added token begins with the space that SentencePiece puts before a text
  /// (tokenizer_config.json's `legacy`; true where it says nothing, as in transformers 4).
  bool legacy = true;
  /// Whether a text is meant to begin with BOS (add_bos_token; false where it says nothing).
  bool adds_bos = false;
};

/// From tokenizer_config.json's added_tokens_decoder and from added_tokens.json, whichever the folder has.
/// `pieces` is how many the SentencePiece model has and `piece` spells one. Throws Error naming the file for
/// an id that two texts claim, a gap behind the pieces, an id below `pieces` with another text than its
/// piece, and single_word.
AddedTokens read_added_tokens(const std::filesystem::path& folder, int64_t pieces,
                              const std::function<std::string(int32_t)>& piece);

/// Where the next of the tokens stands in `text` from `begin` on: the earliest, of those the longest; token
/// -1 for none. `special`: special ones are looked for too.
struct AddedTokenAt {
  size_t begin = 0;
  int64_t token = -1;
};
AddedTokenAt find_added_token(const std::vector<AddedToken>& tokens, std::string_view text, size_t begin,
                              bool special = true);

}  // namespace scca
