#pragma once
// Documents as one sequence of tokens, with what training must know of them.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/file.h"

namespace scca {

/// The ids of a document, and which of them are to be learned: predicted, with a share in the loss.
struct EncodedDocument {
  std::vector<int32_t> ids;
  std::vector<bool> learned = {};  // of each id; empty: all
  bool begins = true;              // false: it goes on with the document before
};

/// What is known of a sequence of tokens beside their ids.
struct TokenMarks {
  /// Positions [begin, end).
  struct Span {
    int64_t begin, end;
    bool operator==(const Span&) const = default;
  };
  std::vector<int64_t> starts = {};  // where documents begin; ascending
  std::vector<Span> given = {};      // what is not learned; ascending, apart

  /// Of a document whose ids stand from position `first` on, behind all others.
  void mark(const EncodedDocument& document, int64_t first);
};

class TokenText : public TokenMarks {
 public:
  TokenText() = default;
  explicit TokenText(std::vector<int32_t> ids) : own_(std::move(ids)) {}
  /// Ids that lie in a file, which are read when they are asked for.
  TokenText(std::shared_ptr<const MappedFile> file, std::span<const int32_t> ids, TokenMarks marks)
      : TokenMarks(std::move(marks)), file_(std::move(file)), mapped_(ids) {}

  void append(const EncodedDocument& document);
  /// All of another text behind this one.
  void append_text(TokenText text);

  std::span<const int32_t> ids() const { return file_ ? mapped_ : std::span<const int32_t>(own_); }
  int64_t tokens() const { return static_cast<int64_t>(ids().size()); }
  /// The first `most` ids; 0: all.
  std::vector<int32_t> first(int64_t most) const;
  /// How many of the positions [begin, end) are learned.
  int64_t learned(int64_t begin, int64_t end) const;

 private:
  void take_over();

  std::vector<int32_t> own_;
  std::shared_ptr<const MappedFile> file_;
  std::span<const int32_t> mapped_;
};

}  // namespace scca
