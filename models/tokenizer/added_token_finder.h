#pragma once
// Where the added tokens of a tokenizer.json stand in a text, as `tokenizers` finds them.
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/bpe_vocabulary.h"
#include "models/tokenizer/number_map.h"

namespace scca {

class AddedTokenFinder {
 public:
  struct Section {
    std::string_view text;
    int32_t id = -1;  // of the token; -1: text between tokens
  };

  /// `spelled`: how each token stands in a text. Throws Error beginning with `where` for two tokens that are
  /// spelled alike and for one that is spelled as nothing.
  AddedTokenFinder(const std::vector<BpeAddedToken>& tokens, const std::vector<std::string>& spelled,
                   const std::string& where);

  bool empty() const { return tokens_.empty(); }
  /// All of the text in order: the earliest match first, of those the longest. A token takes the white space
  /// beside it where it says so.
  std::vector<Section> sections(std::string_view text) const;

 private:
  std::pair<size_t, int64_t> longest(std::string_view text) const;

  std::vector<BpeAddedToken> tokens_;
  // A tree of the spellings' bytes: (node, byte) -> node. Node 0 is the root.
  NumberMap children_;
  std::vector<int64_t> token_at_;  // by node: the token that ends there, or -1
};

}  // namespace scca
