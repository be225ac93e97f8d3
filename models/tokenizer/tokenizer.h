#pragma once
// Text to token ids and back: a SentencePiece tokenizer.model (LLaMA's kind), or the byte-pair encoding of a
// tokenizer.json (GPT-2, LLaMA-3, SmolLM2, Qwen2).
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/tokenizer_model.h"

namespace scca {

/// May be used from several threads at once.
class Tokenizer {
 public:
  /// tokenizer.model in this folder with the tokens that the folder adds (models/tokenizer/added_tokens.h),
  /// else its tokenizer.json (models/tokenizer/tokenizer_json.h); or one of these files given by its own
  /// path. Throws Error naming the file when it is missing, of another kind, asks for what is not built, or
  /// the folder's other files contradict it.
  explicit Tokenizer(const std::filesystem::path& folder_or_file);
  explicit Tokenizer(std::unique_ptr<TokenizerModel> model);
  /// What it was read from; empty where it was not.
  const std::filesystem::path& path() const { return path_; }
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// The ids of a text as one document; BOS in front only when asked for. Bytes that are no UTF-8 are read as
  /// U+FFFD. An added token is found wherever its text stands, as transformers does. Of a SentencePiece
  /// model BOS, EOS and UNK are not found: a text that spells "</s>" is text. In a tokenizer.json they are
  /// added tokens as all others, and found, as the `tokenizers` library does. Throws Error for BOS from a
  /// vocabulary without one.
  std::vector<int32_t> encode(std::string_view text, bool add_bos = false) const;
  /// The ids of a text within a sequence, in which special tokens are text: one that spells "<|im_end|>" ends
  /// nothing, as with `encode_special_tokens` of the `tokenizers` library. Added tokens that are not marked
  /// special are found. `behind_token`: it stands behind a token of its own, not at the sequence's start.
  std::vector<int32_t> encode_plain(std::string_view text, bool behind_token) const {
    return model_->encode_plain(text, behind_token);
  }
  /// Where a long text may be cut in parts that are encoded apart, the first as any text, and the ids of the
  /// others; see TokenizerModel.
  size_t last_cut(std::string_view text) const { return model_->last_cut(text); }
  std::vector<int32_t> encode_further(std::string_view text) const { return model_->encode_further(text); }
  /// The added or control token that is spelled so ("<|im_end|>"); -1 where there is none.
  int32_t token_id(std::string_view spelled) const { return model_->token_id(spelled); }
  /// The text of ids, always valid UTF-8: bytes that form no character become U+FFFD, BOS, EOS and
  /// special added tokens nothing, the space that encoding puts in front of a text is taken away. Throws
  /// Error for an id that is not in the vocabulary.
  std::string decode(const std::vector<int32_t>& ids) const;

  /// Pieces and added tokens.
  int64_t vocab_size() const { return model_->vocab_size(); }
  /// Without the added tokens behind them.
  int64_t pieces() const { return model_->pieces(); }
  /// -1 where the vocabulary has none.
  int32_t bos_id() const { return model_->special_ids().bos; }
  int32_t eos_id() const { return model_->special_ids().eos; }
  int32_t unk_id() const { return model_->special_ids().unk; }
  /// Whether the folder says that a text begins with BOS.
  bool adds_bos() const { return model_->special_ids().adds_bos; }

  /// The piece as the model spells it ("▁the", "Ġthe", "<0x0A>"). Throws Error for an id that is not in the
  /// vocabulary.
  std::string piece(int32_t id) const;
  /// True for "<0x00>" to "<0xFF>".
  bool is_byte(int32_t id) const;
  /// The bytes of a piece that may begin or end within a character; empty for one that is always whole.
  std::optional<std::string> loose_bytes(int32_t id) const;
  /// Throws Error when one of the ids is not in the vocabulary.
  void check_ids(const std::vector<int32_t>& ids) const;

 private:
  std::unique_ptr<TokenizerModel> model_;
  std::filesystem::path path_;
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
  // Held back, and the bytes at its end that may be part of a character.
  std::vector<int32_t> pending_;
  std::string pending_bytes_;
};

}  // namespace scca
