#pragma once
// Texts to rows of tokens: documents are tokenised once, each followed by EOS, joined, and cut into rows of N
// tokens, each of which gives N - 1 predictions. The tail that fills no row is dropped.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/tensor.h"

namespace scca {

/// Text to ids, without BOS or EOS. Called from several threads at once.
using Encode = std::function<std::vector<int32_t>(std::string_view text)>;

/// All documents of the files and folders as one sequence, EOS after each. `what` is the setting that named
/// them, for messages. Line ends become LF (models/tokenizer/text_form.h), unless `keep_line_ends`; what was
/// changed and what was left out of folders is noted on stderr. Shows its progress when it takes long. Throws
/// Error as for_each_document, and when there is no text.
std::vector<int32_t> tokenize_data(const std::vector<std::string>& paths, const Encode& encode, int32_t eos,
                                   const Message& what = Setting("data"), bool keep_line_ends = false);

/// The order of the rows in training: every epoch a new shuffle, which is a pure function of (seed, epoch),
/// so that any position is found again without a history.
class RowOrder {
 public:
  RowOrder(uint64_t seed, int64_t rows) : seed_(seed), rows_(rows) {}
  /// The row at `position` = 0, 1, ... over all epochs.
  int64_t operator()(int64_t position);

 private:
  uint64_t seed_;
  int64_t rows_, epoch_ = -1;
  std::vector<int32_t> shuffled_;
};

class TokenRows {
 public:
  /// Throws Error (how many tokens there are, how many are needed) when they fill no row.
  TokenRows(std::vector<int32_t> tokens, int64_t context, const Message& what = Setting("data"));

  int64_t rows() const { return static_cast<int64_t>(tokens_.size()) / context_; }
  int64_t context() const { return context_; }
  int64_t tokens() const { return static_cast<int64_t>(tokens_.size()); }

  /// Rows at positions [first, first + count) of `order`, i32 [count, N].
  Tensor batch(RowOrder& order, int64_t first, int64_t count) const;
  /// Rows [first, first + count) as the text has them, i32 [count, N].
  Tensor in_order(int64_t first, int64_t count) const;

  /// A hash of all tokens and of the context: other data is noticed when a run is resumed.
  uint64_t fingerprint() const;

 private:
  std::vector<int32_t> tokens_;
  int64_t context_;
};

}  // namespace scca
