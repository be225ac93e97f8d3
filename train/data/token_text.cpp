#include "train/data/token_text.h"

#include <algorithm>
#include <utility>

namespace scca {

/// Ids of a file become this text's own, so that others can stand behind them.
void TokenText::take_over() {
  if (!file_) return;
  own_.assign(mapped_.begin(), mapped_.end());
  file_.reset();
}

void TokenMarks::mark(const EncodedDocument& document, int64_t first) {
  if (document.begins) starts.push_back(first);
  for (size_t i = 0; i < document.learned.size(); ++i) {
    if (document.learned[i]) continue;
    const int64_t at = first + static_cast<int64_t>(i);
    if (given.empty() || given.back().end != at) given.push_back({at, at});
    given.back().end = at + 1;
  }
}

void TokenText::append(const EncodedDocument& document) {
  take_over();
  mark(document, tokens());
  own_.insert(own_.end(), document.ids.begin(), document.ids.end());
}

void TokenText::append_text(TokenText text) {
  if (tokens() == 0) {
    *this = std::move(text);
    return;
  }
  take_over();
  const int64_t first = tokens();
  own_.insert(own_.end(), text.ids().begin(), text.ids().end());
  for (const int64_t start : text.starts) starts.push_back(first + start);
  for (const Span& span : text.given) given.push_back({first + span.begin, first + span.end});
}

std::vector<int32_t> TokenText::first(int64_t most) const {
  const int64_t count = most == 0 ? tokens() : std::min(most, tokens());
  return {ids().begin(), ids().begin() + count};
}

int64_t TokenText::learned(int64_t begin, int64_t end) const {
  int64_t count = end - begin;
  auto span = std::ranges::upper_bound(given, begin, {}, &Span::end);
  for (; span != given.end() && span->begin < end; ++span)
    count -= std::min(end, span->end) - std::max(begin, span->begin);
  return count;
}

}  // namespace scca
