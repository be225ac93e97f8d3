#pragma once
// What a Tokenizer stands on: one vocabulary and its way to cut a text into pieces of it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

/// -1 where the vocabulary has none.
struct SpecialIds {
  int32_t bos = -1, eos = -1, unk = -1;
  bool adds_bos = false;  // whether a text is meant to begin with BOS
};

/// May be used from several threads at once. Ids that are handed in are within the vocabulary.
class TokenizerModel {
 public:
  virtual ~TokenizerModel() = default;

  /// The ids of one text; bytes that are no UTF-8 are read as U+FFFD. Nothing is put in front or behind.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  /// The same of a text in which special added tokens are text. `behind_token`: it stands behind a token,
  /// not at the start.
  virtual std::vector<int32_t> encode_plain(std::string_view text, bool behind_token) const = 0;
  /// The last place in `text` where a long text may be cut (text_cuts.h), so that the ids of what stands left
  /// of it and encode_further() of what stands right of it are those of the whole; 0: there is none. What
  /// follows `text` does not matter; it begins a text or stands behind such a cut.
  virtual size_t last_cut(std::string_view /*text*/) const { return 0; }
  /// The ids of what stands behind a cut.
  virtual std::vector<int32_t> encode_further(std::string_view text) const { return encode(text); }
  /// The token that is spelled so and is none of a text's pieces: an added one, BOS, EOS. -1 for none.
  virtual int32_t token_id(std::string_view spelled) const = 0;
  /// The bytes that ids stand for, which need not be UTF-8.
  virtual std::string decode(const std::vector<int32_t>& ids) const = 0;

  virtual int64_t pieces() const = 0;
  /// Pieces and the tokens that were added behind them.
  virtual int64_t vocab_size() const = 0;
  virtual SpecialIds special_ids() const = 0;
  virtual std::string piece(int32_t id) const = 0;
  /// True for a piece that stands for one byte and is spelled "<0x00>" to "<0xFF>".
  virtual bool is_byte(int32_t id) const = 0;
  /// The bytes of a piece that may begin or end within a character; empty for one that is always whole.
  virtual std::optional<std::string> loose_bytes(int32_t id) const = 0;
};

}  // namespace scca
