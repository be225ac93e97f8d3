#pragma once
// The form in which texts reach a tokenizer: lines end with LF, and no byte-order mark. A model knows "\n"; a
// text from Windows or an old Mac says the same with CR LF or CR, which cost a model four times the
// perplexity.
#include <cstdint>
#include <string>

#include "core/check.h"

namespace scca {

/// Brings texts into that form and counts what it changed, for one note at the end.
class TextForm {
 public:
  /// `keep_line_ends`: only the mark goes.
  explicit TextForm(bool keep_line_ends = false) : keep_line_ends_(keep_line_ends) {}

  /// CR LF and any other CR become LF; U+FEFF at the very beginning goes. `begins`: false for a part that
  /// goes on with the text before; a pair of CR and LF stands in one part.
  void apply(std::string& text, bool begins = true);

  /// "line ends became LF in 2 of 3 texts (...)"; empty when nothing was changed.
  Message changes() const;

 private:
  bool keep_line_ends_, changed_ = false;  // changed_: the last text
  int64_t texts_ = 0, changed_texts_ = 0, crlf_ = 0, cr_ = 0, marks_ = 0;
};

}  // namespace scca
