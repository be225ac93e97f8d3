#pragma once
// Documents to rows of tokens: they are tokenised once, joined, and cut into rows of N tokens, each of which
// gives N - 1 predictions or fewer. The tail that fills no row is dropped.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/tensor.h"
#include "nn/patterns/packed_plan.h"
#include "train/data/document.h"
#include "train/data/row_order.h"
#include "train/data/text_parts.h"
#include "train/data/token_text.h"

namespace scca {

/// A document to ids (train/data/document_encoder.h). Called from several threads at once.
using EncodeDocument = std::function<EncodedDocument(const Document& document)>;

struct ReadingOptions {
  Message what = Setting("data");  // the setting that named the paths, for messages
  bool keep_line_ends = false;     // else they become LF (models/tokenizer/text_form.h)
  std::string text_field = {};     // train/data/record_form.h
  CutText cut = {};                // where long texts may be cut into parts that `encode` takes apart
  size_t part_bytes = kPartBytes;
  /// Where the tokens of large texts are kept (train/data/token_cache.h), with what `encode` is, in words and
  /// in files; without words nothing is kept.
  std::string token_cache = "auto", encoding = {};
  std::vector<std::filesystem::path> encoding_files = {};
  int64_t least_kept = int64_t{16} << 20;  // bytes of files; less is tokenised in a second
};

/// All documents of the files and folders as one sequence. What was changed, what was left out of folders,
/// and what the documents are where they are not all texts, is noted on stderr. Shows its progress when it
/// takes long. Throws Error as for_each_document, and when there is no text.
TokenText tokenize_data(const std::vector<std::string>& paths, const EncodeDocument& encode,
                        const ReadingOptions& options = {});

/// Rows of a batch, i32 [count, N] each: ids, and what each is to predict (kNoTarget: nothing).
struct RowBatch {
  Tensor ids, targets;
  std::optional<DocumentStarts> documents = {};  // of packed documents
  int64_t predictions = 0;                       // how many there are
  std::vector<int64_t> positions = {};  // of each id, where not 0 .. N-1 of its row (train/run/pose.h)
  int64_t length = 0;                   // of the text that these are places in
};

struct RowOptions {
  Message what = Setting("data");
  /// Documents do not see each other, and none is predicted from the one before.
  bool pack_documents = false;
};

class TokenRows {
 public:
  /// One text, or several that are mixed with weights above 0. Rows in which nothing is learned are left out.
  /// Throws Error (how many tokens there are, how many are needed) when one of them fills no row.
  TokenRows(TokenText text, int64_t context, RowOptions options = {});
  TokenRows(std::vector<std::pair<TokenText, double>> texts, int64_t context, RowOptions options = {});

  int64_t rows() const { return static_cast<int64_t>(rows_.size()); }
  int64_t context() const { return context_; }
  int64_t tokens() const { return text_.tokens(); }
  /// How many of them are learned.
  int64_t learned() const { return text_.learned(0, tokens()); }
  bool packs_documents() const { return options_.pack_documents; }
  /// In which the rows come in training.
  RowOrder order(uint64_t seed) const { return RowOrder(seed, shares_); }

  RowBatch batch(std::span<const int64_t> rows) const;
  /// Rows [first, first + count) as the text has them.
  RowBatch in_order(int64_t first, int64_t count) const;

  /// How many predictions these rows have.
  int64_t predictions(std::span<const int64_t> rows) const;

  /// A hash of all tokens and of what is done with them: other data is noticed when a run is resumed.
  uint64_t fingerprint() const;

 private:
  struct Row {
    int64_t begin, predictions;
  };
  void add(TokenText text, double weight);
  void leave_out_given(int64_t begin, int32_t* targets) const;
  RowBatch batch_at(std::span<const int64_t> begins) const;

  TokenText text_;
  int64_t context_;
  RowOptions options_;
  std::vector<Row> rows_;
  std::vector<RowShare> shares_;
};

}  // namespace scca
