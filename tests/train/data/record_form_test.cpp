#include "train/data/record_form.h"

#include <doctest/doctest.h>

#include "core/check.h"
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
    text += (text.empty() ? "" : "|") + message.role + (message.learned ? "" : ", not learned") + ": " +
            (message.thought ? "(" + *message.thought + ") " : "") + message.content;
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

TEST_CASE("record form: what stands beside a message's text") {
  CHECK(chat(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "u"},
                                                         {"type": "text", "text": "v"}]},
                             {"role": "assistant", "content": "a", "weight": 0, "tool_calls": [], "tool_call_id": ""},
                             {"role": "assistant", "content": "b", "weight": 1, "tool_calls": null}]})") ==
        "user: uv|assistant, not learned: a|assistant: b");
  for (const std::string name : {"reasoning_content", "reasoning", "thinking"})
    CHECK(chat(R"({"messages": [{"role": "assistant", "content": "a", ")" + name + R"(": "t"}]})") ==
          "assistant: (t) a");
  CHECK(chat(R"({"messages": [{"role": "assistant", "content": "a", "thinking": null}]})") == "assistant: a");
  CHECK(chat(R"({"system": "s", "tools": "[]", "conversations": [{"from": "human", "value": "u"}]})") ==
        "system: s|user: u");
  CHECK(chat(R"({"system": "", "messages": [{"role": "system", "content": "s"}]})") == "system: s");
  CHECK(chat(R"({"prompt": [{"role": "user", "content": "u"}], "system": "s",
                "completion": [{"role": "assistant", "content": "b"}]})") ==
        "system: s|user, not learned: u|assistant: b");
  CHECK(chat(R"({"prompt": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"},
                           {"role": "user", "content": "v"}],
                "completion": [{"role": "assistant", "content": "b"}]})") ==
        "user, not learned: u|assistant, not learned: a|user, not learned: v|assistant: b");
  CHECK(
      chat(
          R"({"instruction": "do", "output": "done", "system": "s", "history": [["u", "a"], ["v", "b"]]})") ==
      "system: s|user: u|assistant: a|user: v|assistant: b|user: do|assistant: done");
  CHECK(chat(R"({"instruction": "do", "output": "done", "history": null})") == "user: do|assistant: done");
}

TEST_CASE("record form: what would change what is learned is refused, not passed over") {
  const auto message = [](const std::string& more) {
    return error(R"({"messages": [{"role": "assistant", "content": "a", )" + more + "}]}");
  };
  const std::string no_tools = ", and a chat here has no tools; take the record out, or write it as text";
  for (const std::string name : {"tool_calls", "function_call", "tool_call_id"})
    CHECK(message("\"" + name + "\": [{\"id\": 1}]") == "f:3: messages[0]: has \"" + name + "\"" + no_tools);
  for (const std::string name : {"tools", "functions"})
    for (
        const char* form :
        {R"("messages": [{"role": "user", "content": "u"}])",
         R"("prompt": [{"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "a"}])",
         R"("instruction": "do", "output": "done")"})
      CHECK(error("{\"" + name + "\": \"[1]\", " + form + "}") == "f:3: has \"" + name + "\"" + no_tools);
  CHECK(message("\"weight\": 0.5") == "f:3: messages[0]: \"weight\" is 0.5, expected 0 or 1");
  CHECK(message("\"weight\": \"0\"") == "f:3: messages[0]: \"weight\" is \"0\", expected 0 or 1");
  CHECK(message("\"thinking\": 1") == "f:3: messages[0]: \"thinking\" is 1, expected a string");
  CHECK(error(R"({"system": "s", "messages": [{"role": "system", "content": "t"}]})") ==
        "f:3: has a \"system\" and a message of the system; leave one out");
  CHECK(error(R"({"system": "s", "prompt": "p", "response": "r"})") ==
        "f:3: has \"system\", and a prompt and its completion are texts; write messages");
  CHECK(error(R"({"prompt": [{"role": "user", "content": "u"}], "completion": "c"})") ==
        "f:3: \"completion\" is \"c\", expected a list of messages");
  for (const char* history : {R"("a")", R"([["a"]])", R"([["a", "b", "c"]])", R"([["a", 1]])"})
    CHECK(error(concat(R"({"instruction": "do", "output": "done", "history": )", history, "}"))
              .ends_with("expected a list of turns, [[user, assistant], ...]"));
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
        "f:3: messages[0]: has no \"text\"");
  CHECK(error(R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})") ==
        "f:3: messages[0]: \"content\" has a part {\"type\":\"image_url\"}, expected texts alone, {\"type\": "
        "\"text\", \"text\": ...}");
  CHECK(error(R"({"prompt": "p", "completion": "a\u0000"})") ==
        "f:3: \"completion\" holds a NUL character, at byte 1; it is no text");
  CHECK(error(R"({"instruction": "p", "output": 1})") == "f:3: \"output\" is 1, expected a string");
}
