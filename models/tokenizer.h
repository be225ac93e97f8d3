#pragma once
// Text to token ids and back: a SentencePiece tokenizer.model, LLaMA's kind.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/added_tokens.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace scca {

/// May be used from several threads at once.
class Tokenizer {
 public:
  /// tokenizer.model in this folder with the tokens that the folder adds (models/added_tokens.h), or a file
  /// given by its own path, alone. Throws Error naming the file when it is missing, no SentencePiece model,
  /// or its folder's other files contradict it.
  explicit Tokenizer(const std::filesystem::path& folder_or_file);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// The ids of a text as one document; BOS in front only when asked for. Bytes that are no UTF-8 are read as
  /// U+FFFD. An added token is found wherever its text stands, as transformers does; BOS, EOS and UNK are
  /// not: a text that spells "</s>" is text. Throws Error for BOS from a vocabulary without one.
  std::vector<int32_t> encode(std::string_view text, bool add_bos = false) const;
  /// The text of ids, always valid UTF-8: bytes that form no character become U+FFFD, BOS, EOS and
  /// special added tokens nothing, the space that encoding puts in front of a text is taken away. Throws
  /// Error for an id that is not in the vocabulary.
  std::string decode(const std::vector<int32_t>& ids) const;

  /// Pieces and added tokens.
  int64_t vocab_size() const { return pieces() + std::ssize(added_.tokens); }
  /// Of the SentencePiece model alone.
  int64_t pieces() const;
  /// -1 where the vocabulary has none.
  int32_t bos_id() const;
  /// Whether the folder says that a text begins with BOS (tokenizer_config.json: add_bos_token).
  bool adds_bos() const;
  int32_t eos_id() const;
  int32_t unk_id() const;

  /// The piece as the model spells it ("▁the", "<0x0A>"). Throws Error for an id that is not in the
  /// vocabulary.
  std::string piece(int32_t id) const;
  /// True for "<0x00>" to "<0xFF>".
  bool is_byte(int32_t id) const;
  /// Throws Error when one of the ids is not in the vocabulary.
  void check_ids(const std::vector<int32_t>& ids) const;

 private:
  const AddedToken* added(int32_t id) const;
  std::vector<int32_t> encode_plain(std::string_view text) const;
  std::vector<int32_t> encode_behind(std::string_view text) const;
  std::string decode_pieces(const std::vector<int32_t>& ids, bool behind) const;
  std::vector<int32_t> encode_whole(std::string_view text) const;
  std::vector<int32_t> encode_by_words(std::string_view text) const;
  bool words_are_independent(std::string_view serialized) const;

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  AddedTokens added_;
  bool by_words_ = false;
  int32_t space_id_ = -1, newline_id_ = -1;
};

/// Decodes ids as they are generated. All that push() and finish() returned, joined, is decode() of all ids:
/// bytes are held back until they complete a character.
class TextStream {
 public:
  /// `before`: the ids that what is pushed continues (a prompt), whose text has been shown. The tokenizer
  /// must outlive this.
  explicit TextStream(const Tokenizer& tokenizer, std::vector<int32_t> before = {});

  /// The text that this id adds; often "" within a character.
  std::string push(int32_t id);
  /// What was held back: the bytes of a character that did not come.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  // The last ids whose text has been given out: enough to know how what follows is decoded.
  std::vector<int32_t> context_;
  // Held back, and the bytes of the byte pieces at its end.
  std::vector<int32_t> pending_;
  std::string pending_bytes_;
};

}  // namespace scca
