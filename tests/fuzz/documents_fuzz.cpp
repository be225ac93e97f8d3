// A text, JSONL or JSON file. Promise: what is taken from it is UTF-8 with LF line ends, and not empty.
#include "tests/fuzz/fuzz.h"
#include "train/data/documents.h"

namespace scca::test {
namespace {

void take(std::string_view input) {
  static const InputFile file;
  file.write(input);
  const auto check = [](const std::string& text) {
    promise(text.find('\r') == std::string::npos, "a carriage return in a document");
    promise(first_invalid_utf8(text) == std::string::npos, "a document that is no UTF-8");
  };
  for_each_document(file.path(), [&](const Document& document) {
    promise(!document.empty(), "an empty document");
    for (const std::string* text : {&document.text, &document.prompt, &document.completion}) check(*text);
    for (const ChatMessage& message : document.messages) {
      check(message.content);
      check(message.thought.value_or(""));
    }
  });
}

const RegisterFuzz line("documents", take);

}  // namespace
}  // namespace scca::test
