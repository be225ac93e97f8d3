#include "models/tokenizer/chat_form.h"

#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/joined.h"
#include "models/tokenizer/template_text.h"

namespace scca {
namespace {

using System = ChatForm::System;

/// What templates write for calls of tools, which a chat here has none of.
const std::set<std::string_view> kToolWords{
    "<tools>",           "</tools>",        "<tool_call>",    "</tool_call>",    "<tool_response>",
    "</tool_response>",  "<function-name>", "<|python_tag|>", "<|eom_id|>",      "<args-json-object>",
    "[AVAILABLE_TOOLS]", "[TOOL_CALLS]",    "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[/AVAILABLE_TOOLS]"};

ChatForm llama3(const char* name) {
  const std::string header = "<|start_header_id|>", end = "<|end_header_id|>\n\n";
  return {
      .name = name,
      .start = "<s>",
      .user = {header + "user" + end, "<|eot_id|>"},
      .open = header + "assistant" + end,
      .answer = {"", "<|eot_id|>"},
      .system = {header + "system" + end, "<|eot_id|>"},
      .trims_user = true,
      .trims_answer = true,
      .tokens = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
      .marks = {
          R"('<|start_header_id|>'+message.role+'<|end_header_id|>\n\n'+message.content|trim+'<|eot_id|>')",
          R"({{'<|start_header_id|>assistant<|end_header_id|>\n\n'}})"}};
}

/// LLaMA 3.1 to 3.3: the system's turn is always there and begins with two dates. The second is the one that
/// the template has for a reader without a clock, so that a text does not depend on the day.
ChatForm llama31() {
  ChatForm form = llama3("llama3.1");
  form.system_place = System::always;
  form.preamble = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
  form.marks.push_back(R"({{'<|start_header_id|>system<|end_header_id|>\n\n'}})");
  form.marks.push_back(
      R"({{'Cutting Knowledge Date: December 2023\n'}}{{'Today Date: '+date_string+'\n\n'}})");
  form.marks.push_back("date_string='26 Jul 2024'");
  form.marks.push_back("{{system_message}}{{'<|eot_id|>'}}");
  form.without = {"{%ifsystem_message%}"};
  return form;
}

ChatForm llama3() {
  ChatForm form = llama3("llama3");
  form.without = {"Date"};
  return form;
}

ChatForm mistral(const char* name, const std::string& open, const std::string& close,
                 const std::string& space, System system) {
  return {.name = name,
          .start = "<s>",
          .user = {open, close},
          .answer = {space, "</s>"},
          .system_place = system,
          .system = {"", "\n\n"},
          .alternates = true,
          .marks = {"{{bos_token}}", "'" + open + "'+message.content+'" + close + "'",
                    "'" + open + R"('+system_message+'\n\n'+message.content+')" + close + "'"},
          .without = {"system_message='"}};
}

ChatForm chatml(const char* name) {
  return {.name = name,
          .user = {"<|im_start|>user\n", "<|im_end|>\n"},
          .open = "<|im_start|>assistant\n",
          .answer = {"", "<|im_end|>"},
          .closed = "\n",
          .system = {"<|im_start|>system\n", "<|im_end|>\n"},
          .tokens = {"<|im_start|>", "<|im_end|>"},
          .marks = {R"({{'<|im_start|>assistant\n'}})"}};
}

ChatForm chatml() {
  ChatForm form = chatml("chatml");
  form.marks.push_back(R"({{'<|im_start|>'+message.role+'\n'+message.content+'<|im_end|>\n'}})");
  return form;
}

/// With thoughts: where the assistant's last answer has none, an empty one stands there.
ChatForm qwen3() {
  ChatForm form = chatml("qwen3");
  form.thought = {"<think>\n", "\n</think>\n\n"};
  for (const char* token : {"<think>", "</think>"}) form.tokens.push_back(token);
  form.reserved = {"<tool_response>", "</tool_response>"};  // the user's message is then a tool's
  for (const char* mark :
       {R"('<|im_start|>'+message.role+'\n<think>\n'+reasoning_content.strip('\n')+)"
        R"('\n</think>\n\n'+content.lstrip('\n')}})",
        R"(content.split('</think>')[-1].lstrip('\n')%})",
        R"(content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')%})",
        "{%ifloop.index0>ns.last_query_index%}{%ifloop.lastor(notloop.lastandreasoning_content)%}",
        R"({{'<|im_start|>system\n'+messages[0].content+'<|im_end|>\n'}})", R"(content+'<|im_end|>\n'}})",
        R"(enable_thinkingisfalse%}{{'<think>\n\n</think>\n\n'}})"})
    form.marks.push_back(mark);
  // The second takes a thought from what is left of its content.
  form.without = {"|trim",
                  R"({%setcontent=content.split('</think>')[-1].lstrip('\n')%}{%setreasoning_content=)"};
  return form;
}

}  // namespace

const std::vector<ChatForm>& chat_forms() {
  static const std::vector<ChatForm> forms = [] {
    std::vector<ChatForm> rows;
    // Touvron et al., arXiv 2307.09288, appendix A.3.3
    rows.push_back({.name = "llama2",
                    .user = {"<s>[INST] ", " [/INST]"},
                    .answer = {" ", " </s>"},
                    .system_place = System::first_user,
                    .system = {"<<SYS>>\n", "\n<</SYS>>\n\n"},
                    .alternates = true,
                    .trims_user = true,
                    .trims_answer = true,
                    .reserved = {"[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"},
                    .marks = {"{{bos_token+'[INST] '+content.strip()+' [/INST]'}}",
                              "{{' '+content.strip()+' '+eos_token}}",
                              R"('<<SYS>>\n'+system_message+'\n<</SYS>>\n\n'+message.content%})"},
                    .without = {"system_message='"}});
    rows.push_back(llama3());
    rows.push_back(llama31());
    rows.push_back(chatml());
    rows.push_back(qwen3());
    rows.push_back(
        {.name = "zephyr",  // TinyLlama's
         .user = {"<|user|>\n", "</s>\n"},
         .open = "<|assistant|>\n",
         .answer = {"", "</s>"},
         .closed = "\n",
         .system = {"<|system|>\n", "</s>\n"},
         .reserved = {"<|user|>", "<|system|>", "<|assistant|>"},
         .marks = {"{{'<|user|>\\n'+message.content+eos_token}}\n",
                   "{{'<|system|>\\n'+message.content+eos_token}}\n",
                   "{{'<|assistant|>\\n'+message.content+eos_token}}\n", "{{'<|assistant|>'}}\n"}});
    rows.push_back(mistral("mistral", " [INST] ", " [/INST]", " ", System::first_user));
    rows.back().reserved = {"[INST]", "[/INST]"};
    rows.back().marks.push_back("{{' '+message.content+eos_token}}");
    rows.push_back(mistral("mistral-v3", "[INST] ", "[/INST]", " ", System::last_user));
    rows.back().tokens = {"[INST]", "[/INST]"};
    rows.back().trims_answer = true;
    rows.back().marks.push_back("{{' '+message.content|trim+eos_token}}");
    rows.push_back(mistral("mistral-tekken", "[INST]", "[/INST]", "", System::last_user));
    rows.back().tokens = {"[INST]", "[/INST]"};
    rows.back().marks.push_back("{{message.content+eos_token}}");
    return rows;
  }();
  return forms;
}

std::vector<std::string> chat_form_names() {
  std::vector<std::string> names;
  for (const ChatForm& form : chat_forms()) names.push_back(form.name);
  return names;
}

const ChatForm& chat_form_named(const std::string& name) {
  const auto found = std::ranges::find(chat_forms(), name, &ChatForm::name);
  if (found == chat_forms().end())
    fail<UsageError>(Setting("chat_template"), " '", name, "': expected one of ", joined(chat_form_names()));
  return *found;
}

namespace {

bool knows(const ChatForm& form, const std::string& word) {
  return kToolWords.contains(word) || std::ranges::find(form.tokens, word) != form.tokens.end() ||
         std::ranges::find(form.reserved, word) != form.reserved.end();
}

bool fits(const ChatForm& form, const std::string& compact) {
  const auto has = [&](const std::string& text) { return compact.find(text) != std::string::npos; };
  return std::ranges::all_of(form.marks, has) && std::ranges::none_of(form.without, has) &&
         std::ranges::all_of(control_words(compact),
                             [&](const std::string& word) { return knows(form, word); });
}

}  // namespace

std::optional<ChatForm> recognised_form(std::string_view jinja) {
  const std::string compact = compact_template(jinja);
  const auto found =
      std::ranges::find_if(chat_forms(), [&](const ChatForm& form) { return fits(form, compact); });
  if (found == chat_forms().end()) return {};
  ChatForm form = *found;
  if (form.name == "chatml")
    form.default_system = literal_between(compact, R"('<|im_start|>system\n)", R"(<|im_end|>\n')");
  const bool has_bos = (form.start + form.user.before).find("<s>") != std::string::npos;
  if (!has_bos && compact.starts_with("{{bos_token}}"))
    form.start = "<s>";
  else if (!has_bos && compact.find("bos_token") != std::string::npos)
    return {};
  return form;
}

}  // namespace scca
