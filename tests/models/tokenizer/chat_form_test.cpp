#include "models/tokenizer/chat_form.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

Json goldens() {
  const std::string file = SCCA_SOURCE_DIR "/tests/golden/chat.json";
  return parse_json(read_text_file(file), file);
}

std::string template_of(const std::string& form) {
  for (const Json& golden : goldens())
    if (golden["form"] == form) return golden["template"].get<std::string>();
  return "";
}

std::string with(std::string text, const std::string& what, const std::string& by) {
  REQUIRE(text.find(what) != std::string::npos);
  return text.replace(text.find(what), what.size(), by);
}

std::string form_of(const std::string& jinja) {
  const auto form = recognised_form(jinja);
  return form ? form->name : "unknown";
}

}  // namespace

TEST_CASE("chat form: each has a template that is recognised as it alone, and a name that gives it") {
  for (const ChatForm& form : chat_forms()) {
    CAPTURE(form.name);
    CHECK(form_of(template_of(form.name)) == form.name);
    CHECK(&chat_form_named(form.name) == &form);
  }
  const std::string names =
      "llama2, llama3, llama3.1, chatml, qwen3, zephyr, mistral, mistral-v3, mistral-tekken";
  CHECK(error_of([] { chat_form_named("alpaca"); }) == "chat_template 'alpaca': expected one of " + names);
  CHECK_THROWS_AS(chat_form_named(""), UsageError);
}

TEST_CASE("chat form: a template that says something else is unknown") {
  CHECK(form_of("") == "unknown");
  CHECK(form_of("{{ messages }}") == "unknown");
  const std::string chatml = template_of("chatml"), llama2 = template_of("llama2"),
                    llama3 = template_of("llama3"), llama31 = template_of("llama3.1"),
                    mistral = template_of("mistral");
  CHECK(form_of(with(chatml, "message['content'] +", "message['content'] | trim +")) == "unknown");
  CHECK(form_of(with(chatml, "'<|im_end|>' + '\n'", "'<|im_end|>'")) == "unknown");
  CHECK(form_of(with(chatml, "assistant\n", "assistant\n<think>\n")) == "unknown");
  CHECK(form_of(with(chatml, "<|im_start|>assistant\n", "<|im_start|>bot\n")) == "unknown");
  CHECK(form_of(chatml + "{% if x %}{{ '</think>' }}{% endif %}") == "unknown");
  CHECK(form_of(with(chatml, "{{'<|im_start|>' +", "{{bos_token + '<|im_start|>' +")) == "unknown");
  CHECK(form_of(chatml + "{{ bos_token }}") == "unknown");
  const std::string qwen3 = template_of("qwen3");
  CHECK(form_of(with(qwen3, "reasoning_content.strip('\\n')", "reasoning_content")) == "unknown");
  CHECK(form_of(with(qwen3, "loop.index0 > ns.last_query_index", "true")) == "unknown");
  CHECK(form_of(with(qwen3, "content.lstrip('\\n') }}", "content }}")) == "unknown");
  CHECK(form_of(with(qwen3, "'\\n' + message.content + '<|im_end|>'",
                     "'\\n' + message.content | trim + '<|im_end|>'")) == "unknown");
  CHECK(form_of(with(qwen3, "content = message.content %}", "content = message.content | trim %}")) ==
        "unknown");
  CHECK(form_of(with(qwen3, "<|im_start|>assistant\\n' }}", "<|im_start|>assistant\\n<think>\\n' }}")) ==
        "unknown");
  CHECK(form_of(with(with(qwen3, "content = message.content.split", "content = content.split"),
                     "reasoning_content = message.content.split", "reasoning_content = content.split")) ==
        "unknown");
  CHECK(form_of(with(llama2, "system_message = false", "system_message = 'You are kind.'")) == "unknown");
  CHECK(form_of(with(llama2, "bos_token + ", "")) == "unknown");
  CHECK(form_of(with(llama3, "| trim ", "")) == "unknown");
  CHECK(form_of(with(llama3, "{% for", "{{ 'Date' }}{% for")) == "unknown");
  CHECK(form_of(with(llama31, "26 Jul 2024", "27 Jul 2024")) == "unknown");
  CHECK(form_of(with(llama31, "December", "October")) == "unknown");
  CHECK(form_of(with(llama31, "{{- system_message }}", "{{- system_message + '\n' }}")) == "unknown");
  CHECK(form_of(with(llama31, "{{- \"<|start_header_id|>system",
                     "{%- if system_message %}{{- \"<|start_header_id|>system")) == "unknown");
  CHECK(form_of(with(mistral, "\" [INST] \" + message", "\"[INST] \" + message")) == "unknown");
  CHECK(form_of(with(mistral, "{{- bos_token }}", "")) == "unknown");
}

TEST_CASE("chat form: of ChatML the default system message and BOS are as the template says") {
  std::vector<std::pair<std::optional<std::string>, std::string>> found;
  for (const Json& golden : goldens())
    if (golden["form"] == "chatml") {
      const auto form = recognised_form(golden["template"].get<std::string>());
      REQUIRE(form);
      found.emplace_back(form->default_system, form->start);
    }
  CHECK(found ==
        decltype(found){{"You're the \"default\".", ""}, {std::nullopt, "<s>"}, {"You are a default.", ""}});
  CHECK(!chat_form_named("chatml").default_system);
}
