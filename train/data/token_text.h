#pragma once
// Documents as one sequence of tokens, with what training must know of them.
#include <cstdint>
#include <vector>

namespace scca {

/// The ids of a document, and which of them are to be learned: predicted, with a share in the loss.
struct EncodedDocument {
  std::vector<int32_t> ids;
  std::vector<bool> learned = {};  // of each id; empty: all
};

struct TokenText {
  /// Positions [begin, end).
  struct Span {
    int64_t begin, end;
  };

  void append(const EncodedDocument& document);
  /// All of another text behind this one.
  void append_text(TokenText text);

  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }
  /// How many of the positions [begin, end) are learned.
  int64_t learned(int64_t begin, int64_t end) const;

  std::vector<int32_t> ids = {};
  std::vector<int64_t> starts = {};  // where documents begin; ascending
  std::vector<Span> given = {};      // what is not learned; ascending, apart
};

}  // namespace scca
