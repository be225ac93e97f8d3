#include "train/data/token_text.h"

#include <algorithm>
#include <utility>

namespace scca {

void TokenText::append(const EncodedDocument& document) {
  const int64_t first = tokens();
  starts.push_back(first);
  ids.insert(ids.end(), document.ids.begin(), document.ids.end());
  for (size_t i = 0; i < document.learned.size(); ++i) {
    if (document.learned[i]) continue;
    const int64_t at = first + static_cast<int64_t>(i);
    if (given.empty() || given.back().end != at) given.push_back({at, at});
    given.back().end = at + 1;
  }
}

void TokenText::append_text(TokenText text) {
  if (ids.empty()) {
    *this = std::move(text);
    return;
  }
  const int64_t first = tokens();
  ids.insert(ids.end(), text.ids.begin(), text.ids.end());
  for (const int64_t start : text.starts) starts.push_back(first + start);
  for (const Span& span : text.given) given.push_back({first + span.begin, first + span.end});
}

int64_t TokenText::learned(int64_t begin, int64_t end) const {
  int64_t count = end - begin;
  auto span = std::ranges::upper_bound(given, begin, {}, &Span::end);
  for (; span != given.end() && span->begin < end; ++span)
    count -= std::min(end, span->end) - std::max(begin, span->begin);
  return count;
}

}  // namespace scca
