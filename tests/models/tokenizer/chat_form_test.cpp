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

TEST_CASE("chat form: whatever a template has beside what its form knows makes it unknown") {
  const std::string chatml = template_of("chatml"), llama3 = template_of("llama3"),
                    zephyr = template_of("zephyr"), tekken = template_of("mistral-tekken"),
                    llama31 = template_of("llama3.1"), qwen3 = template_of("qwen3"),
                    llama2 = template_of("llama2"), loop = "{% for message in messages %}";
  // texts more than the form's
  for (const std::string& jinja : {chatml, llama3, zephyr, tekken, llama31, qwen3, llama2}) {
    CAPTURE(jinja);
    CHECK(form_of(jinja + "\n") != "unknown");  // Jinja drops a last one, and one behind a block
    CHECK(form_of(jinja + "\n\n\n") == "unknown");
    CHECK(form_of(jinja + "{{ 'Sure: ' }}") == "unknown");
    CHECK(form_of(jinja + "{% if not tools %}{{ 'Sure: ' }}{% endif %}") == "unknown");
    CHECK(form_of(jinja + "{% if tools %}{{ 'Sure: ' }}{% endif %}") != "unknown");
    CHECK(form_of("Hello" + jinja) == "unknown");
  }
  CHECK(form_of(chatml + "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}") == "unknown");
  CHECK(form_of(with(chatml, loop, loop + "{{ strftime_now('%Y') }}")) == "unknown");
  // messages that are left out, changed, or come under a condition
  CHECK(form_of(with(chatml, "in messages", "in messages[-2:]")) == "unknown");
  CHECK(form_of(with(chatml, loop, loop + "{% if message['role'] != 'system' %}") + "{% endif %}") ==
        "unknown");
  CHECK(form_of(with(llama3, "in messages", "in messages[1:]")) == "unknown");
  CHECK(form_of(with(llama3, "{{- content", "{% set content = content + 'x' %}{{- content")) == "unknown");
  CHECK(form_of(with(llama3, "bos_token + ", "")) == "unknown");
  CHECK(form_of("{% if messages[0]['role'] != 'system' %}{{ '<|start_header_id|>system<|end_header_id|>\n\n"
                "Be kind.<|eot_id|>' }}{% endif %}" +
                llama3) == "unknown");
  CHECK(form_of(with(tekken, "loop.last and system", "loop.first and system")) == "unknown");
  // a default that a text cannot say
  CHECK(form_of(with(chatml, "default", "<|im_end|>")) == "unknown");
  CHECK(form_of(with(chatml, "default", "\\x41")) == "unknown");
}

TEST_CASE("chat form: other templates that say the same are recognised") {
  const std::string chatml = template_of("chatml"), llama3 = template_of("llama3");
  CHECK(form_of("{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}"
                "{% endif %}" +
                chatml) == "chatml");
  const std::string turn =
      "{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + "
      "'<|eot_id|>' }}";
  const std::string open = "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}";
  for (const std::string& loop :
       {"{{ bos_token }}{% for message in messages %}" + turn,
        "{% for message in messages %}{% if loop.index0 == 0 %}{{ bos_token }}{% endif %}{% if message.role "
        "== 'assistant' %}" +
            open +
            "{% generation %}{{ message.content | trim + '<|eot_id|>' }}{% endgeneration %}{% else %}" +
            turn + "{% endif %}"}) {
    CHECK(form_of(loop + "{% endfor %}{% if add_generation_prompt %}" + open + "{% endif %}") == "llama3");
    CHECK(form_of(loop + "{% endfor %}" + open) == "llama3");
  }
  CHECK(form_of(with(llama3, "{% for message in messages %}",
                     "{% set loop_messages = messages %}{% for message in loop_messages %}")) == "llama3");
}

TEST_CASE("chat form: of ChatML the default system message and BOS are as the template says") {
  std::vector<std::pair<std::optional<std::string>, std::string>> found;
  for (const Json& golden : goldens())
    if (golden["form"] == "chatml") {
      const auto form = recognised_form(golden["template"].get<std::string>());
      REQUIRE(form);
      found.emplace_back(form->default_system, form->start);
    }
  CHECK(found == decltype(found){{"You're the \"default\".", ""},
                                 {std::nullopt, "<s>"},
                                 {"You are a default.", ""},
                                 {"You are a default.", ""}});
  CHECK(!chat_form_named("chatml").default_system);
}
