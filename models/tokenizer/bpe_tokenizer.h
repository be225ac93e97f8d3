#pragma once
// Byte-pair encoding with what stands around it: added tokens, normalizer, pre-tokenizer. Its ids are those
// of the `tokenizers` library, encode(text, add_special_tokens=False).
#include <string>
#include <unordered_map>
#include <vector>

#include "models/tokenizer/added_token_finder.h"
#include "models/tokenizer/bpe.h"
#include "models/tokenizer/text_cuts.h"
#include "models/tokenizer/text_steps.h"
#include "models/tokenizer/tokenizer_model.h"

namespace scca {

class BpeTokenizer : public TokenizerModel {
 public:
  /// Throws Error beginning with `where` as Bpe, TextSteps and AddedTokenFinder do, and for an added token
  /// whose id is another piece's or leaves a gap, and a BOS, EOS or UNK beyond the vocabulary.
  BpeTokenizer(BpeVocabulary vocabulary, const std::string& where);

  /// All added tokens are found, special ones too.
  std::vector<int32_t> encode(std::string_view text) const override {
    return encode(text, found_, Stands::first);
  }
  std::vector<int32_t> encode_plain(std::string_view text, bool behind_token) const override {
    return encode(text, found_plain_, behind_token ? Stands::behind_token : Stands::first);
  }
  size_t last_cut(std::string_view text) const override { return cuts_.last(text); }
  std::vector<int32_t> encode_further(std::string_view text) const override {
    return encode(text, found_, Stands::behind_cut);
  }
  int32_t token_id(std::string_view spelled) const override;
  /// Special added tokens give nothing.
  std::string decode(const std::vector<int32_t>& ids) const override;
  int64_t pieces() const override { return pieces_; }
  int64_t vocab_size() const override { return std::ssize(spelled_); }
  SpecialIds special_ids() const override { return special_; }
  std::string piece(int32_t id) const override { return spelled_[static_cast<size_t>(id)]; }
  bool is_byte(int32_t id) const override;
  std::optional<std::string> loose_bytes(int32_t id) const override;

 private:
  enum class Stands { first, behind_token, behind_cut };  // where a text begins
  struct Finders {
    AddedTokenFinder first, normalized;  // in the text as it is, and as it is normalized
  };
  Finders finders(const std::vector<BpeAddedToken>& added, const std::string& where) const;
  std::vector<int32_t> encode(std::string_view text, const Finders& found, Stands stands) const;
  TextCuts cuts(const BpeVocabulary& vocabulary) const;
  void read_added(const std::vector<BpeAddedToken>& added, const std::string& where);
  void read_texts(const PieceDecoding& decoding, const std::vector<BpeAddedToken>& added);
  std::vector<std::string> normalized(const std::vector<BpeAddedToken>& tokens) const;
  bool words_begin_with_spaces(bool ignore_merges) const;
  class Words;

  Bpe bpe_;
  TextSteps normalizer_, pre_tokenizer_;
  Finders found_, found_plain_;  // all added tokens; those that are not special
  int64_t pieces_;
  std::vector<std::string> spelled_, texts_;  // by id: as the file has it, and what it decodes to
  std::vector<std::string> first_texts_;      // the same of a text's first piece; empty where they are alike
  std::vector<bool> special_added_;
  std::unordered_map<std::string, int32_t> added_ids_;
  int64_t strip_;
  bool byte_level_, by_words_;
  SpecialIds special_;
  TextCuts cuts_;
};

}  // namespace scca
