#include "models/tokenizer/text_form.h"

#include <utility>

#include "core/check.h"

namespace scca {

void TextForm::apply(std::string& text, bool begins) {
  texts_ += begins;
  if (begins) changed_ = false;
  if (begins && text.starts_with("\xEF\xBB\xBF")) {
    text.erase(0, 3);
    ++marks_;
  }
  const size_t first = keep_line_ends_ ? std::string::npos : text.find('\r');
  if (first == std::string::npos) return;
  changed_texts_ += !std::exchange(changed_, true);
  size_t to = first;
  for (size_t from = first; from < text.size(); ++from) {
    if (text[from] != '\r') {
      text[to++] = text[from];
      continue;
    }
    const bool pair = from + 1 < text.size() && text[from + 1] == '\n';
    ++(pair ? crlf_ : cr_);
    if (!pair) text[to++] = '\n';  // of a pair the LF follows
  }
  text.resize(to);
}

Message TextForm::changes() const {
  std::string counts;
  Message lines;
  if (changed_texts_ > 0) {
    if (crlf_ > 0) counts += concat(crlf_, " CR LF");
    if (cr_ > 0) counts += concat(crlf_ > 0 ? ", " : "", cr_, " CR");
    lines = message_of("line ends became LF in ", changed_texts_, " of ", texts_, " texts (", counts, "; ",
                       Setting("keep_line_ends"), " keeps them)");
  }
  if (marks_ > 0) {
    lines = message_of(lines, lines.text.empty() ? "" : "; ", "a byte-order mark was dropped from ", marks_,
                       " of ", texts_, " texts");
  }
  return lines;
}

}  // namespace scca
