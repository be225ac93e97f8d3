#include "train/data/text_parts.h"

#include <utility>

namespace scca {

bool TextParts::next(Document& part) {
  size_t end = 0;
  for (; cut_ && end == 0 && window_ < waiting_.size(); window_ *= 2)
    end = cut_(std::string_view(waiting_).substr(0, window_));
  if (end == 0) {
    if (!ended_ || waiting_.empty()) return false;
    end = waiting_.size();
  }
  window_ = bytes_;
  part = {.text = waiting_.substr(0, end), .begins = !std::exchange(begun_, true)};
  waiting_.erase(0, end);
  part.ends = waiting_.empty();
  return true;
}

}  // namespace scca
