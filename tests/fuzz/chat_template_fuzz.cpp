// A model's chat template, Jinja text. Promise: what is recognised renders a chat in which each message
// stands, as what it is.
#include "models/tokenizer/chat_template.h"
#include "tests/fuzz/fuzz.h"

namespace scca::test {
namespace {

void take(std::string_view input) {
  const auto form = recognised_form(input);
  if (!form) throw Error("no form");
  const auto parts =
      ChatTemplate(*form).render({{"user", "Ask"}, {"assistant", "Say"}, {"user", "Again"}}, true);
  const auto says = [&](const std::string& text, bool answer) {
    for (const ChatPart& part : parts)
      if (part.kind == ChatPart::Kind::text && part.answer == answer &&
          part.text.find(text) != std::string::npos)
        return true;
    return false;
  };
  promise(says("Ask", false) && says("Say", true) && says("Again", false), form->name, " loses a message");
}

const RegisterFuzz line("chat_template", take);

}  // namespace
}  // namespace scca::test
