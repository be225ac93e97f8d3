#pragma once
// What is said on stderr: notes, errors. Names and texts in them come from files of strangers.
#include <ostream>
#include <streambuf>
#include <string>

#include "core/check.h"

namespace scca {

/// A message of the library as the command line says it: in place of each setting the flag that sets it,
/// which has its name (top_p: --top-p) but for those that LoRA's and the tasks' flags set.
std::string with_flags(const Message& message);

/// "note: LINE" on stderr, with flags. A line that was said already is not said again, so that what is found
/// at every row of a study is said once.
void note(const Message& line);

/// An error's message as it is printed: a line break stays only where the next line is indented, as our own
/// are; one from a file's name would look like a line of ours.
std::string message_text(const std::string& message);

/// While it lives, what passes through `stream` (std::cerr) is printable (models/tokenizer/utf8.h): no name
/// in a file steers the terminal, whoever prints it.
class PrintableStream {
 public:
  explicit PrintableStream(std::ostream& stream);
  ~PrintableStream();
  PrintableStream(const PrintableStream&) = delete;
  PrintableStream& operator=(const PrintableStream&) = delete;

 private:
  class Buffer : public std::streambuf {
   public:
    explicit Buffer(std::streambuf* to) : to_(to) {}
    std::streambuf* to() const { return to_; }

   protected:
    int_type overflow(int_type c) override;
    std::streamsize xsputn(const char* text, std::streamsize count) override;
    int sync() override { return to_->pubsync(); }

   private:
    std::streambuf* to_;
  };

  std::ostream& stream_;
  Buffer buffer_;
};

}  // namespace scca
