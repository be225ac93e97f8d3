#include "train/data/record_form.h"

#include <doctest/doctest.h>

#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

Document read(const std::string& json, const std::string& field = "") {
  return document_of(JsonRecord(json, "f:3"), field);
}

std::string error(const std::string& json, const std::string& field = "") {
  return error_of([&] { read(json, field); });
}

/// "user: hi|assistant: you"
std::string chat(const std::string& json) {
  std::string text;
  for (const ChatMessage& message : read(json).messages)
    text += (text.empty() ? "" : "|") + message.role + ": " + message.content;
  return text;
}

}  // namespace

TEST_CASE("record form: a text, in its own field or in the one that is named") {
  CHECK(read(R"({"id": NaN, "text": "a"})").text == "a");
  CHECK(read(R"({"text": "a", "body": "b"})", "body").text == "b");
  CHECK(read(R"({"messages": [], "body": "b"})", "body").text == "b");
  CHECK(read(R"({"text": "a", "prompt": "b", "completion": "c"})").text == "a");
  CHECK(read(R"({"text": ""})").empty());
}

TEST_CASE("record form: chats, as messages and as ShareGPT has them") {
  CHECK(chat(R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
                             {"role": "assistant", "content": "a", "name": "x"}]})") ==
        "system: s|user: u|assistant: a");
  CHECK(chat(R"({"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"},
                                  {"from": "system", "value": "s"}, {"from": "tool", "value": "t"}]})") ==
        "user: u|assistant: a|system: s|tool: t");
  CHECK(read(R"({"messages": [{"role": "user", "content": "u"}]})").where == "f:3");
}

TEST_CASE("record form: instructions and completions") {
  CHECK(chat(R"({"instruction": "do", "input": "", "output": "done"})") == "user: do|assistant: done");
  CHECK(chat(R"({"instruction": "do", "output": "done"})") == "user: do|assistant: done");
  CHECK(chat(R"({"instruction": "do", "input": null, "output": "done", "system": "be"})") ==
        "system: be|user: do|assistant: done");
  CHECK(chat(R"({"instruction": "do", "input": "it", "output": "done"})") ==
        "user: do\n\nit|assistant: done");
  for (const char* name : {"completion", "response"}) {
    const Document document = read(std::string(R"({"prompt": "p", ")") + name + R"(": "c"})");
    CHECK(document.prompt == "p");
    CHECK(document.completion == "c");
    CHECK(document.text.empty());
  }
}

TEST_CASE("record form: what is none, with its place and its fields") {
  CHECK(
      error(R"({"prompt": "p", "id": 1})") ==
      "f:3: has no \"text\" field, but \"prompt\", \"id\"; name the one that holds the text with text_field, "
      "or write messages, prompt and completion, or instruction and output");
  CHECK(error(R"({"text": "a"})", "body") == "f:3: has no \"body\" field, but \"text\"");
  CHECK(error(R"({"text": 7})") == "f:3: \"text\" is 7, expected a string");
  CHECK(error(R"({"text": null})") == "f:3: \"text\" is null, expected a string");
  CHECK(error(R"({"messages": []})") == "f:3: \"messages\" is [], expected a list of messages");
  CHECK(error(R"({"messages": {}})") == "f:3: \"messages\" is {}, expected a list of messages");
  CHECK(error(R"({"messages": ["hi"]})") == "f:3: messages[0] is \"hi\", expected an object");
  CHECK(error(R"({"messages": [{"role": "user"}]})") == "f:3: messages[0]: has no \"content\"");
  CHECK(error(R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})") ==
        "f:3: messages[0]: \"content\" is [{\"type\":\"text\"}], expected a string");
  CHECK(error(R"({"prompt": "p", "completion": "a\u0000"})") ==
        "f:3: \"completion\" holds a NUL character, at byte 1; it is no text");
  CHECK(error(R"({"instruction": "p", "output": 1})") == "f:3: \"output\" is 1, expected a string");
}
