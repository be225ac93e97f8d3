#include "train/report/messages.h"

#include <iostream>
#include <set>

#include "models/utf8.h"

namespace scca {

void note(const std::string& line) {
  static std::set<std::string> said;
  if (said.insert(line).second) std::cerr << "note: " << message_text(line) << "\n";
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
