#include "models/tokenizer/chat_form.h"

#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/joined.h"
#include "models/tokenizer/template_phrases.h"
#include "models/tokenizer/template_text.h"

namespace scca {
namespace {

using System = ChatForm::System;

constexpr char kLlama3Turn[] =
    R"('<|start_header_id|>'+message.role+'<|end_header_id|>\n\n'+message.content|trim+'<|eot_id|>')";
constexpr char kLlama3Open[] = R"('<|start_header_id|>assistant<|end_header_id|>\n\n')";

ChatForm llama3(const char* name) {
  const std::string header = "<|start_header_id|>", end = "<|end_header_id|>\n\n";
  return {.name = name,
          .start = "<s>",
          .user = {header + "user" + end, "<|eot_id|>"},
          .open = header + "assistant" + end,
          .answer = {"", "<|eot_id|>"},
          .system = {header + "system" + end, "<|eot_id|>"},
          .trims_user = true,
          .trims_answer = true,
          .tokens = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
          .marks = {"bos_token", kLlama3Turn, concat("{{", kLlama3Open, "}}")}};
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
  form.phrases = {"{{bos_token}}",
                  R"({{'<|start_header_id|>system<|end_header_id|>\n\n'}})",
                  R"({{'Cutting Knowledge Date: December 2023\n'}})",
                  R"({{'Today Date: '+date_string+'\n\n'}})",
                  "{{system_message}}",
                  "{{'<|eot_id|>'}}",
                  concat("{{", kLlama3Turn, "}}"),
                  concat("{{", kLlama3Open, "}}")};
  return form;
}

ChatForm llama3() {
  ChatForm form = llama3("llama3");
  const std::string turn = concat("{{", kLlama3Turn, "}}"), open = concat("{{", kLlama3Open, "}}");
  const auto turn_of = [](const char* role) {
    return concat("{{'<|start_header_id|>", role,
                  R"(<|end_header_id|>\n\n'+message.content|trim+'<|eot_id|>'}})");
  };
  form.outputs_alone = false;
  form.phrases = {"{{bos_token}}",
                  "{%ifmessages[0].role=='system'%}{%setoffset=1%}{%else%}{%setoffset=0%}{%endif%}",
                  "{%formessageinmessages%}{%if(message.role=='user')!=(loop.index0%2==offset)%}{%endif%}",
                  "{%setloop_messages=messages%}{%formessageinloop_messages%}",
                  "{%formessageinmessages%}",
                  "{%ifloop.index0==0%}{{bos_token}}{%endif%}",
                  concat("{%setcontent=", kLlama3Turn,
                         "%}{%ifloop.index0==0%}{%setcontent=bos_token+content%}{%endif%}{{content}}"),
                  turn,
                  concat("{%ifmessage.role=='assistant'%}", open,
                         "{{message.content|trim+'<|eot_id|>'}}{%else%}", turn, "{%endif%}"),
                  concat("{%ifmessage.role=='user'%}", turn_of("user"), "{%elifmessage.role=='assistant'%}",
                         turn_of("assistant"), "{%else%}", turn, "{%endif%}"),
                  concat("{%endfor%}{%ifadd_generation_prompt%}", open, "{%endif%}"),
                  "{%endfor%}" + open};
  return form;
}

/// `answer`: what its templates write for one.
ChatForm mistral(const char* name, const std::string& open, const std::string& close,
                 const std::string& space, System system, const std::string& answer) {
  const std::string user = "{{'" + open + "'+message.content+'" + close + "'}}",
                    with_system =
                        "{{'" + open + R"('+system_message+'\n\n'+message.content+')" + close + "'}}";
  return {.name = name,
          .start = "<s>",
          .user = {open, close},
          .answer = {space, "</s>"},
          .system_place = system,
          .system = {"", "\n\n"},
          .alternates = true,
          .marks = {"{{bos_token}}",
                    concat("{%ifloop.", system == System::first_user ? "first" : "last",
                           "andsystem_messageisdefined%}", with_system, "{%else%}", user, "{%endif%}"),
                    answer},
          .without = {"system_message='"},
          .phrases = {"{{bos_token}}", user, with_system, answer}};
}

constexpr char kChatMlTurn[] = R"({{'<|im_start|>'+message.role+'\n'+message.content+'<|im_end|>\n'}})",
               kChatMlFirst[] = R"({{'<|im_start|>system\n'+messages[0].content+'<|im_end|>\n'}})",
               kChatMlOpen[] = R"({{'<|im_start|>assistant\n'}})";

ChatForm chatml(const char* name) {
  return {.name = name,
          .user = {"<|im_start|>user\n", "<|im_end|>\n"},
          .open = "<|im_start|>assistant\n",
          .answer = {"", "<|im_end|>"},
          .closed = "\n",
          .system = {"<|im_start|>system\n", "<|im_end|>\n"},
          .tokens = {"<|im_start|>", "<|im_end|>"},
          .marks = {kChatMlOpen}};
}

ChatForm chatml() {
  ChatForm form = chatml("chatml");
  form.marks.push_back(kChatMlTurn);
  form.outputs_alone = false;
  const std::string by_default = R"({{'<|im_start|>system\n*<|im_end|>\n'}})",
                    loop = "{%formessageinmessages%}", turn = kChatMlTurn;
  form.phrases = {
      "{{bos_token}}", "{%ifnotadd_generation_promptisdefined%}{%setadd_generation_prompt=false%}{%endif%}",
      loop, loop + "{%ifloop.firstandmessages[0].role!='system'%}" + by_default + "{%endif%}",
      "{%ifmessages[0].role!='system'%}" + by_default + "{%endif%}" + loop, turn + "{%endfor%}",
      concat("{%ifadd_generation_prompt%}", kChatMlOpen, "{%endif%}"),
      // axolotl's: the system's message as a variable
      "{%ifmessages[0].role=='system'%}{%setloop_messages=messages[1:]%}{%setsystem_message=messages[0]."
      "content%}{%else%}{%setloop_messages=messages%}{%setsystem_message='*'%}{%endif%}",
      "{%formessageinloop_messages%}{%ifloop.index0==0%}"
      R"({{'<|im_start|>system\n'+system_message+'<|im_end|>\n'}}{%endif%})",
      // of templates for tools, behind the system's turn
      "{%elifmessage.role=='assistant'%}{{'<|im_start|>'+message.role}}{%ifmessage.content%}"
      R"({{'\n'+message.content}}{%endif%}{{'<|im_end|>\n'}})",
      "{%endif%}{%endfor%}"};
  for (const std::string& otherwise : {"{%else%}" + by_default, std::string()}) {
    const std::string begun =
        concat("{%ifmessages[0].role=='system'%}", kChatMlFirst, otherwise, "{%endif%}", loop,
               "{%if(message.role=='user')or(message.role=='system'andnotloop.first)");
    form.phrases.push_back(begun + "or(message.role=='assistant'andnotmessage.tool_calls)%}" + turn);
    form.phrases.push_back(begun + "%}" + turn +
                           "{%elifmessage.role=='assistant'%}{{'<|im_start|>assistant'}}" +
                           R"({{'\n'+message.content+'<|im_end|>\n'}})");
  }
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
        kChatMlFirst, R"(content+'<|im_end|>\n'}})",
        R"(enable_thinkingisfalse%}{{'<think>\n\n</think>\n\n'}})"})
    form.marks.push_back(mark);
  // The second takes a thought from what is left of its content.
  form.without = {"|trim",
                  R"({%setcontent=content.split('</think>')[-1].lstrip('\n')%}{%setreasoning_content=)"};
  form.phrases = {"{{bos_token}}",
                  kChatMlFirst,
                  kChatMlTurn,
                  R"({{'<|im_start|>'+message.role+'\n'+content+'<|im_end|>\n'}})",
                  R"({{'<|im_start|>'+message.role+'\n<think>\n'+reasoning_content.strip('\n')+)"
                  R"('\n</think>\n\n'+content.lstrip('\n')}})",
                  R"({{'<|im_start|>'+message.role+'\n'+content}})",
                  R"({{'<|im_end|>\n'}})",
                  kChatMlOpen,
                  R"({{'<think>\n\n</think>\n\n'}})"};
  return form;
}

}  // namespace

const std::vector<ChatForm>& chat_forms() {
  static const std::vector<ChatForm> forms = [] {
    std::vector<ChatForm> rows;
    // Touvron et al., arXiv 2307.09288, appendix A.3.3
    rows.push_back(
        {.name = "llama2",
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
         .without = {"system_message='"},
         .phrases = {"{{bos_token+'[INST] '+content.strip()+' [/INST]'}}",
                     "{{' '+content.strip()+' '+eos_token}}",
                     R"({{'<<SYS>>\n'+content.strip()+'\n<</SYS>>\n\n'}})"}});  // of a later system
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
    rows.back().phrases = rows.back().marks;
    rows.push_back(mistral("mistral", " [INST] ", " [/INST]", " ", System::first_user,
                           "{{' '+message.content+eos_token}}"));
    rows.back().reserved = {"[INST]", "[/INST]"};
    rows.push_back(mistral("mistral-v3", "[INST] ", "[/INST]", " ", System::last_user,
                           "{{' '+message.content|trim+eos_token}}"));
    rows.back().tokens = {"[INST]", "[/INST]"};
    rows.back().trims_answer = true;
    rows.push_back(mistral("mistral-tekken", "[INST]", "[/INST]", "", System::last_user,
                           "{{message.content+eos_token}}"));
    rows.back().tokens = {"[INST]", "[/INST]"};
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
  return std::ranges::find(form.tokens, word) != form.tokens.end() ||
         std::ranges::find(form.reserved, word) != form.reserved.end();
}

/// Empty where the template is not of this form.
std::optional<Phrased> fitted(const ChatForm& form, const std::string& live) {
  const auto has = [&](const std::string& text) { return live.find(text) != std::string::npos; };
  const bool fits =
      std::ranges::all_of(form.marks, has) && std::ranges::none_of(form.without, has) &&
      std::ranges::all_of(control_words(live), [&](const std::string& word) { return knows(form, word); });
  if (!fits) return {};
  return phrased(form.outputs_alone ? outputs_of(live) : live, form.phrases);
}

}  // namespace

std::optional<ChatForm> recognised_form(std::string_view jinja) {
  const std::string live = live_template(compact_template(jinja));
  for (ChatForm form : chat_forms()) {
    const auto fits = fitted(form, live);
    if (!fits) continue;
    form.default_system = fits->free;
    const bool has_bos = (form.start + form.user.before).find("<s>") != std::string::npos;
    if (!has_bos && live.starts_with("{{bos_token}}"))
      form.start = "<s>";
    else if (!has_bos && live.find("bos_token") != std::string::npos)
      return {};
    return form;
  }
  return {};
}

}  // namespace scca
