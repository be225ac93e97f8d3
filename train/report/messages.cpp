#include "train/report/messages.h"

#include <algorithm>
#include <iostream>
#include <set>
#include <string_view>

#include "models/tokenizer/utf8.h"

namespace scca {
namespace {

struct Renamed {
  std::string_view setting, flag;
};
constexpr Renamed kRenamed[] = {{"rank", "--lora-rank"},
                                {"alpha", "--lora-alpha"},
                                {"dropout", "--lora-dropout"},
                                {"targets", "--lora-targets"},
                                {"task", "--tasks"}};

std::string flag_of(std::string_view setting) {
  for (const Renamed& renamed : kRenamed)
    if (renamed.setting == setting) return std::string(renamed.flag);
  std::string flag = "--" + std::string(setting);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

}  // namespace

std::string with_flags(const Message& message) {
  std::string text;
  size_t at = 0;
  for (const auto& [place, setting] : message.settings) {
    const std::string_view name = setting.name;
    text += message.text.substr(at, place - at) + flag_of(name);
    at = place + name.size();
  }
  return text + message.text.substr(at);
}

void note(const Message& line) {
  static std::set<std::string> said;
  const std::string text = with_flags(line);
  if (said.insert(text).second) std::cerr << "note: " << message_text(text) << "\n";
}

std::string message_text(const std::string& message) {
  std::string text;
  for (size_t i = 0; i < message.size(); ++i) {
    const bool foreign = message[i] == '\n' && message.compare(i + 1, 2, "  ") != 0;
    text += foreign ? "\\n" : std::string(1, message[i]);
  }
  return text;
}

PrintableStream::PrintableStream(std::ostream& stream) : stream_(stream), buffer_(stream.rdbuf()) {
  stream_.rdbuf(&buffer_);
}

PrintableStream::~PrintableStream() { stream_.rdbuf(buffer_.to()); }

PrintableStream::Buffer::int_type PrintableStream::Buffer::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  const char one = traits_type::to_char_type(c);
  return xsputn(&one, 1) == 1 ? c : traits_type::eof();
}

std::streamsize PrintableStream::Buffer::xsputn(const char* text, std::streamsize count) {
  const std::string shown = printable({text, static_cast<size_t>(count)});
  const auto size = static_cast<std::streamsize>(shown.size());
  return to_->sputn(shown.data(), size) == size ? count : 0;
}

}  // namespace scca
