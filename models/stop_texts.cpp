#include "models/stop_texts.h"

#include <algorithm>
#include <utility>

namespace scca {

std::string StopTexts::push(std::string_view piece) {
  if (stopped_) return "";
  held_ += piece;
  // The one that is complete first, so that it does not matter in which pieces the text comes.
  std::pair<size_t, size_t> first{std::string::npos, 0};  // end, beginning
  for (const std::string& text : texts_)
    if (const size_t begin = held_.find(text); begin != std::string::npos)
      first = std::min(first, {begin + text.size(), begin});
  stopped_ = first.first != std::string::npos;
  const size_t shown = stopped_ ? first.second : possible_beginning();
  std::string text = held_.substr(0, shown);
  held_ = stopped_ ? "" : held_.substr(shown);
  return text;
}

std::string StopTexts::finish() { return std::exchange(held_, ""); }

/// Where in what is held the longest end begins with which one of the texts begins.
size_t StopTexts::possible_beginning() const {
  size_t begin = held_.size();
  for (const std::string& text : texts_)
    for (size_t length = std::min(text.size() - 1, held_.size()); length > held_.size() - begin; --length)
      if (held_.ends_with(std::string_view(text).substr(0, length))) begin = held_.size() - length;
  return begin;
}

}  // namespace scca
