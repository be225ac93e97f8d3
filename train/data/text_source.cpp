#include "train/data/text_source.h"

#include <algorithm>
#include <utility>

#include "train/data/file_kind.h"

namespace scca {
namespace {

constexpr size_t kBlock = size_t{1} << 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

std::string without_mark(std::string text) {
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

TextSource::TextSource(const std::filesystem::path& path) : name_(path.string()), file_(path) {
  while (buffer_.size() < kBlock && read_more()) continue;
  beginning_ = buffer_.substr(0, kBlock);
  refuse_binary(beginning_, name_);
  beginning_ = without_mark(std::move(beginning_));
}

bool TextSource::read_more() {
  if (ended_) return false;
  const size_t before = buffer_.size();
  buffer_.resize(before + kBlock);
  const size_t got = file_.read(buffer_.data() + before, kBlock);
  buffer_.resize(before + got);
  ended_ = got == 0;
  return !ended_;
}

bool TextSource::next_line(std::string_view& line) {
  if (line_number_ == 0 && buffer_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  if (at_ > kBlock) buffer_.erase(0, std::exchange(at_, 0));
  size_t end = at_;
  while ((end = buffer_.find_first_of("\r\n", end)) == std::string::npos) {
    end = buffer_.size();
    if (!read_more()) break;
  }
  if (at_ == buffer_.size()) return false;
  if (end + 1 == buffer_.size() && buffer_[end] == '\r') read_more();  // the LF of a pair may come next
  const bool pair = buffer_.compare(std::min(end, buffer_.size()), 2, "\r\n") == 0;
  line = std::string_view(buffer_).substr(at_, end - at_);
  at_ = std::min(end + (pair ? 2 : 1), buffer_.size());
  ++line_number_;
  return true;
}

bool TextSource::next_block(std::string& to) {
  if (at_ == buffer_.size() && !read_more()) return false;
  to.append(buffer_, at_);
  buffer_.clear();
  at_ = 0;
  return true;
}

std::string TextSource::rest() {
  buffer_.erase(0, std::exchange(at_, 0));
  while (read_more()) continue;
  return std::move(buffer_);
}

}  // namespace scca
