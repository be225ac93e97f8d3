#pragma once
// A SentencePiece model (tokenizer.model, LLaMA's kind), with the tokens that its folder adds behind it.
#include <memory>

#include "models/tokenizer/added_tokens.h"
#include "models/tokenizer/long_word.h"
#include "models/tokenizer/text_cuts.h"
#include "models/tokenizer/tokenizer_model.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace scca {

/// BOS, EOS and UNK are not found in a text: one that spells "</s>" is text.
class SentencePieceTokenizer : public TokenizerModel {
 public:
  /// `serialized`: a ModelProto, the bytes of a tokenizer.model, or what sentencepiece_model() makes. Throws
  /// Error beginning with `where` when it is none.
  SentencePieceTokenizer(std::string_view serialized, const std::string& where);
  ~SentencePieceTokenizer() override;
  /// Whether a text is meant to begin with BOS, where no folder says it.
  void set_adds_bos(bool adds_bos) { added_.adds_bos = adds_bos; }

  /// Puts tokens behind the pieces. Throws Error beginning with `where` for tokens that are not legacy and a
  /// model whose words hang together.
  void add(AddedTokens added, const std::string& where);

  std::vector<int32_t> encode(std::string_view text) const override {
    return encode_sections(text, true, Stands::first);
  }
  std::vector<int32_t> encode_plain(std::string_view text, bool behind_token) const override {
    return encode_sections(text, false, behind_token ? Stands::behind_token : Stands::first);
  }
  size_t last_cut(std::string_view text) const override { return cuts_.last(text); }
  std::vector<int32_t> encode_further(std::string_view text) const override {
    return encode_sections(text, true, Stands::behind_cut);
  }
  int32_t token_id(std::string_view spelled) const override;
  /// The space that encoding puts in front of a text is taken away; BOS, EOS and special added tokens give
  /// nothing.
  std::string decode(const std::vector<int32_t>& ids) const override;
  int64_t pieces() const override;
  int64_t vocab_size() const override { return pieces() + std::ssize(added_.tokens); }
  SpecialIds special_ids() const override;
  std::string piece(int32_t id) const override;
  bool is_byte(int32_t id) const override;
  std::optional<std::string> loose_bytes(int32_t id) const override;

 private:
  enum class Stands { first, behind_token, behind_cut };  // where a text begins
  const AddedToken* added(int32_t id) const;
  std::vector<int32_t> encode_sections(std::string_view text, bool special, Stands stands) const;
  std::vector<int32_t> encode_section(std::string_view text) const;
  std::vector<int32_t> encode_behind(std::string_view text) const;
  std::string decode_pieces(const std::vector<int32_t>& ids, bool behind) const;
  std::vector<int32_t> encode_whole(std::string_view text) const;
  std::vector<int32_t> encode_by_words(std::string_view text) const;
  std::vector<int32_t> encode_word(std::string_view word, bool first) const;
  std::vector<WordSymbol> encode_symbols(std::string_view text) const;
  bool words_are_independent(std::string_view serialized) const;
  TextCuts cuts() const;

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  AddedTokens added_;
  bool by_words_ = false, by_windows_ = false;  // what is encoded apart
  TextCuts cuts_;
  int32_t space_id_ = -1, newline_id_ = -1;
};

}  // namespace scca
