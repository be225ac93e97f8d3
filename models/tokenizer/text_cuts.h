#pragma once
// Where a long text may be cut, so that its parts, tokenized apart, give the ids of the whole. That is so
// only where a tokenizer's own rules end a word whatever stands around it; of a tokenizer whose rules are not
// known here no text is cut.
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/bpe_vocabulary.h"

namespace scca {

/// Two characters between which a text may be cut.
struct CutPlaces {
  /// What may stand left of a cut: letters and digits, or also signs; never white space, and never U+2581,
  /// which is how pieces spell a space.
  enum class Left { nothing, letters, visible };
  Left before_space = Left::nothing, before_newline = Left::nothing;
  bool behind_newline = false;  // between a newline and a letter or digit
  /// The text is normalized (form C): only beside characters that this leaves alone wherever they stand.
  bool composes = false;

  bool operator==(const CutPlaces&) const = default;
};

/// Of a byte-pair tokenizer. `words_begin_with_spaces`: no piece has U+2581 behind another character.
/// `normalized_tokens`: how the added tokens that are looked for in the normalized text are spelled there.
CutPlaces cut_places(const BpeVocabulary& vocabulary, bool words_begin_with_spaces,
                     const std::vector<std::string>& normalized_tokens);

class TextCuts {
 public:
  /// Nowhere.
  TextCuts() = default;
  /// `tokens`: added tokens that are looked for in the text as it is; no cut touches one.
  TextCuts(CutPlaces places, std::vector<std::string> tokens);

  /// The last place in `text` where it may be cut, whatever follows it; 0: there is none. It is a beginning,
  /// or what stands behind a cut.
  size_t last(std::string_view text) const;

 private:
  bool may_end(std::string_view text, CutPlaces::Left with) const;
  bool touches_token(std::string_view text, size_t place) const;

  CutPlaces places_;
  std::vector<std::string> tokens_;
  std::string first_bytes_;  // of the tokens
  size_t longest_ = 0;
};

}  // namespace scca
