#include "models/tokenizer/chat_template.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "models/files/gguf.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

using Messages = std::vector<ChatMessage>;

// Made by tests/golden/make_chat_goldens.py with transformers' apply_chat_template.
Json goldens() {
  const std::string file = SCCA_SOURCE_DIR "/tests/golden/chat.json";
  return parse_json(read_text_file(file), file);
}

Messages messages_of(const Json& list) {
  Messages messages;
  for (const Json& one : list)
    messages.push_back({one["role"].get<std::string>(), one["content"].get<std::string>(),
                        one.contains("reasoning_content")
                            ? std::optional(one["reasoning_content"].get<std::string>())
                            : std::nullopt});
  return messages;
}

std::string text_of(const std::vector<ChatPart>& parts) {
  std::string text;
  for (const ChatPart& part : parts)
    text += part.kind == ChatPart::Kind::bos ? "<s>" : part.kind == ChatPart::Kind::eos ? "</s>" : part.text;
  return text;
}

ChatTemplate named(const std::string& name) { return ChatTemplate(chat_form_named(name)); }

std::string refusal(const std::string& name, const Messages& messages, bool open = true) {
  return error_of([&] { named(name).render(messages, open); });
}

const ChatMessage kSystem{"system", "Be brief."}, kUser{"user", "Hello"}, kAssistant{"assistant", "Yes"};

}  // namespace

TEST_CASE("chat template: the text is that of transformers, for every form and order that it takes") {
  int texts = 0, refused = 0;
  for (const Json& golden : goldens()) {
    CAPTURE(golden["form"].get<std::string>());
    const ChatTemplate chat(*recognised_form(golden["template"].get<std::string>()));
    for (const Json& one : golden["cases"]) {
      CAPTURE(one["messages"].dump());
      const Messages messages = messages_of(one["messages"]);
      const bool open = one["open"].get<bool>();
      if (one["text"].is_null()) {
        CHECK_THROWS_AS(chat.render(messages, open), Error);
        ++refused;
      } else {
        CHECK(text_of(chat.render(messages, open)) == one["text"].get<std::string>());
        ++texts;
      }
    }
  }
  CHECK(texts > 120);
  CHECK(refused > 10);
}

TEST_CASE("chat template: parts say what is a token and what is an answer") {
  using Kind = ChatPart::Kind;
  using Parts = std::vector<ChatPart>;
  const Messages chat{kUser, kAssistant};
  CHECK(named("chatml").render(chat, true) == Parts{{"<|im_start|>", false, Kind::token},
                                                    {"user\nHello"},
                                                    {"<|im_end|>", false, Kind::token},
                                                    {"\n"},
                                                    {"<|im_start|>", false, Kind::token},
                                                    {"assistant\n"},
                                                    {"Yes", true},
                                                    {"<|im_end|>", true, Kind::token},
                                                    {"\n"},
                                                    {"<|im_start|>", false, Kind::token},
                                                    {"assistant\n"}});
  CHECK(named("llama2").render(chat, false) == Parts{{"", false, Kind::bos},
                                                     {"[INST]", false, Kind::word},
                                                     {" Hello "},
                                                     {"[/INST]", false, Kind::word},
                                                     {" Yes ", true},
                                                     {"", true, Kind::eos}});
  // a content is text, whatever it spells
  CHECK(named("chatml").render({{"user", "<|im_end|></s>"}}, false)[1] == ChatPart{"user\n<|im_end|></s>"});
  for (const ChatForm& form : chat_forms()) {
    CAPTURE(form.name);
    const ChatTemplate one(form);
    const Parts parts = one.render(chat, false);
    const auto last =
        std::find_if(parts.rbegin(), parts.rend(), [](const ChatPart& part) { return part.answer; });
    CHECK(*last == one.end());
    CHECK(one.end().kind != Kind::text);
  }
}

TEST_CASE("chat template: an answer that is not to be learned is none") {
  for (const ChatForm& form : chat_forms()) {
    CAPTURE(form.name);
    const ChatTemplate chat(form);
    Messages messages{kUser, {"assistant", "<think>a</think>b"}};
    auto parts = chat.render(messages, false);
    CHECK(std::ranges::any_of(parts, &ChatPart::answer));
    const std::string text = text_of(parts);
    messages[1].learned = false;
    parts = chat.render(messages, false);
    CHECK(std::ranges::none_of(parts, &ChatPart::answer));
    CHECK(text_of(parts) == text);
  }
}

TEST_CASE("chat template: the space that an answer begins with is the template's") {
  CHECK(named("llama2").content_of(" Yes") == "Yes");
  CHECK(named("llama2").content_of("  Yes ") == " Yes ");
  CHECK(named("llama2").content_of("Yes") == "Yes");
  CHECK(named("chatml").content_of(" Yes") == " Yes");
}

TEST_CASE("chat template: where a form puts the system's message") {
  CHECK(text_of(named("mistral-v3").render({kSystem, kUser, kAssistant}, false)) ==
        "<s>[INST] Be brief.\n\nHello[/INST] Yes</s>");  // transformers' template loses it here
  CHECK(text_of(named("chatml").render({kUser}, false)) == "<|im_start|>user\nHello<|im_end|>\n");
  CHECK(text_of(named("llama3.1").render({kSystem, kUser}, false))
            .starts_with(
                "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
                "Today Date: 26 Jul 2024\n\nBe brief.<|eot_id|>"));
}

TEST_CASE("chat template: what no form can say is refused with its place") {
  for (const ChatForm& form : chat_forms()) {
    CHECK(refusal(form.name, {}) == "chat: there are no messages; expected one of the user at least");
    CHECK(refusal(form.name, {kUser, {"tool", "x"}}) ==
          "chat: message 2 has role \"tool\"; expected system, user or assistant");
  }
  CHECK(
      refusal("llama2", {kUser, kUser}) ==
      "chat: message 2 is of role user, expected assistant: the template llama2 takes user and assistant by "
      "turns, behind one system message at most");
  CHECK(refusal("mistral", {kSystem, kUser, kAssistant, kSystem})
            .starts_with("chat: message 4 is of role system"));
  CHECK(refusal("mistral", {kAssistant}).starts_with("chat: message 1 is of role assistant, expected user"));
  CHECK(refusal("llama2", {kSystem}).starts_with("chat: there is a system message alone"));
  CHECK(refusal("mistral-v3", {kUser, kAssistant})
            .starts_with("chat: message 2, the last, is the assistant's"));
  CHECK(refusal("mistral-v3", {kUser, kAssistant}, false) == "no error");
  CHECK(refusal("chatml", {kUser, kAssistant}) == "no error");
  CHECK(
      refusal("chatml", {kUser, {"assistant", "a", "b"}}) ==
      "chat: message 2 has a thought beside its content, for which the template chatml has no place; take it "
      "out, or put it into the content");
  CHECK(refusal("chatml", {kUser, {"assistant", "a", ""}}) == "no error");
  CHECK(refusal("qwen3", {{"user", "a", "b"}}) ==
        "chat: message 1 has a thought and is of role user; expected assistant");
  CHECK(
      refusal("qwen3", {{"user", "<tool_response>"}}).starts_with("chat: message 1 spells <tool_response>"));
  CHECK(refusal("llama2", {kUser, kAssistant, {"user", "a [/INST] b"}}) ==
        "chat: message 3 spells [/INST], by which the template llama2 parts one turn from the next; take it "
        "out");
  CHECK(refusal("zephyr", {{"user", "<|user|>"}}).starts_with("chat: message 1 spells <|user|>"));
  CHECK(refusal("mistral-v3", {{"user", "a [/INST] b"}}) ==
        "no error");  // there it is a token, and this is text
}

TEST_CASE("chat template: a model's own is read from each of the places that may have it") {
  const std::string chatml = goldens()[0]["template"].get<std::string>();
  const auto of_config = [](const Json& value) {
    const TemporaryFolder folder;
    write_file(folder / "tokenizer_config.json", Json{{"chat_template", value}}.dump());
    return ChatTemplate::of_model(folder.path()).name();
  };
  CHECK(of_config(chatml) == "chatml");
  CHECK(of_config({{{"name", "tools"}, {"template", "x"}}, {{"name", "default"}, {"template", chatml}}}) ==
        "chatml");

  const TemporaryFolder folder;
  write_file(folder / "tokenizer_config.json", R"({"chat_template":"{{ x }}"})");
  CHECK(chat_template_text(folder.path()) == "{{ x }}");
  CHECK(chat_template_text(folder / "tokenizer.json") == "{{ x }}");
  write_file(folder / "chat_template.jinja", chatml);
  CHECK(ChatTemplate::of_model(folder.path()).name() == "chatml");

  GgufContent content;
  content.set("tokenizer.chat_template", chatml);
  content.write(folder / "x.gguf");
  CHECK(ChatTemplate::of_model(folder / "x.gguf").name() == "chatml");
}

TEST_CASE("chat template: none, an unknown one and a damaged one are refused, but for a name") {
  const std::string names =
      "llama2, llama3, llama3.1, chatml, qwen3, zephyr, mistral, mistral-v3, mistral-tekken";
  const TemporaryFolder folder;
  const std::string path = folder.path();
  const auto message = [&](const std::string& name = "") {
    return error_of([&] { ChatTemplate::of_model(folder.path(), name); });
  };
  CHECK(message() == path +
                         ": has no chat template; it is no model for a chat, or its form is to be named by "
                         "chat_template: " +
                         names);
  const std::string file = folder / "tokenizer_config.json";
  write_file(file, R"({"chat_template":null})");
  CHECK(message().starts_with(path + ": has no chat template"));
  write_file(file, R"({"chat_template":"{{ x }}"})");
  CHECK(message() == path +
                         ": its chat template is none of the built-in forms; if one of them does, name it by "
                         "chat_template: " +
                         names);
  CHECK(message("zephyr") == "no error");
  CHECK(message("zephyrus").starts_with("chat_template 'zephyrus': expected one of llama2"));
  write_file(file, R"({"chat_template":[{"name":"rag","template":"x"},{"name":"tools","template":"x"}]})");
  CHECK(message() ==
        file +
            ": chat_template is a list of rag, tools, expected a text, or a list in which one is "
            "named default");
  write_file(file, R"({"chat_template":3})");
  CHECK(message().starts_with(file + ": chat_template is 3, expected a text"));
}
