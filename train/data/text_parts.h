#pragma once
// A long text part by part, as it is read: its parts are tokenized at the same time, and it is never held
// whole.
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "train/data/document.h"

namespace scca {

/// The last place in a text where it may be cut, whatever follows; 0: there is none
/// (models/tokenizer/tokenizer.h).
using CutText = std::function<size_t(std::string_view text)>;

inline constexpr size_t kPartBytes = size_t{1} << 20;

class TextParts {
 public:
  /// Parts of at most `bytes`, longer where there is no place to cut. Without `cut` the text is one part.
  explicit TextParts(CutText cut, size_t bytes = kPartBytes)
      : cut_(std::move(cut)), bytes_(bytes), window_(bytes) {}

  /// More of the text.
  void add(std::string_view text) { waiting_ += text; }
  /// All of it is there.
  void end() { ended_ = true; }
  /// The next part; false while more of the text is needed, and behind the last. A text that is empty has
  /// none.
  bool next(Document& part);

 private:
  CutText cut_;
  size_t bytes_, window_;  // window_: what is looked at for the next cut
  std::string waiting_;
  bool begun_ = false, ended_ = false;
};

}  // namespace scca
