#include "models/tokenizer/chat_template.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/file.h"
#include "core/joined.h"
#include "models/files/gguf.h"
#include "nn/json.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

using Kind = ChatPart::Kind;
using System = ChatForm::System;

/// What Python's str.strip() takes away, as UTF-8.
constexpr std::string_view kWhite[] = {
    "\t",           "\n",           "\v",           "\f",           "\r",
    "\x1c",         "\x1d",         "\x1e",         "\x1f",         " ",
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
    "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
    "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

std::string trimmed(std::string_view text) {
  const auto ends = [&](std::string_view white) { return text.ends_with(white); };
  const auto begins = [&](std::string_view white) { return text.starts_with(white); };
  for (auto found = std::ranges::find_if(kWhite, begins); found != std::end(kWhite);
       found = std::ranges::find_if(kWhite, begins))
    text.remove_prefix(found->size());
  for (auto found = std::ranges::find_if(kWhite, ends); found != std::end(kWhite);
       found = std::ranges::find_if(kWhite, ends))
    text.remove_suffix(found->size());
  return std::string(text);
}

/// The value of a chat_template: a text, or a list of {"name": ..., "template": ...}.
std::optional<std::string> template_of(const Json& value, const std::string& where) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  std::vector<std::string> names;
  for (const Json& entry : value.is_array() ? value : Json::array()) {
    if (!entry.is_object()) continue;
    const JsonFields fields(entry, where + ": chat_template");
    names.push_back(fields.text("name").value_or(""));
    if (const auto text = fields.text("template"); text && names.back() == "default") return text;
  }
  fail(where, ": chat_template is ", names.empty() ? short_text(value) : "a list of " + joined(names),
       ", expected a text, or a list in which one is named default");
}

std::optional<std::string> template_in_gguf(const fs::path& path) {
  const GgufFile file(path);
  const auto found = file.metadata().find("tokenizer.chat_template");
  return found == file.metadata().end() ? std::nullopt : template_of(found->second.value, path.string());
}

std::string_view without_first_breaks(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

std::string_view without_breaks(std::string_view text) {
  text = without_first_breaks(text);
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

/// What the assistant thought, and what it said then.
struct Answer {
  std::string_view thought, said;
};

/// As Qwen3's template takes a content apart, if its thought is not given: what stands between two is
/// neither.
Answer taken_apart(const ChatMessage& message) {
  const std::string_view content = message.content;
  if (message.thought) return {*message.thought, content};
  constexpr std::string_view begins = "<think>", ends = "</think>";
  const size_t first = content.find(ends);
  if (first == std::string_view::npos) return {"", content};
  std::string_view thought = content.substr(0, first),
                   said = content.substr(content.rfind(ends) + ends.size());
  if (const size_t at = thought.rfind(begins); at != std::string_view::npos)
    thought.remove_prefix(at + begins.size());
  return {without_breaks(thought), without_first_breaks(said)};
}

/// Puts a form's words and contents together.
class Writer {
 public:
  explicit Writer(const ChatForm& form) : form_(form) {}

  /// A content: text, whatever it spells.
  void say(const std::string& text, bool answer) {
    if (text.empty()) return;
    const bool goes_on =
        !parts_.empty() && parts_.back().kind == Kind::text && parts_.back().answer == answer;
    if (goes_on)
      parts_.back().text += text;
    else
      parts_.push_back({text, answer});
  }

  /// Words of the form, in which its tokens are tokens.
  void form(std::string_view text, bool answer = false) {
    while (!text.empty()) {
      const auto [begin, word] = next_token(text);
      say(std::string(text.substr(0, begin)), answer);
      if (word == "<s>" || word == "</s>")
        parts_.push_back({"", answer, word == "<s>" ? Kind::bos : Kind::eos});
      else if (!word.empty())
        parts_.push_back({std::string(word), answer, is_reserved(word) ? Kind::word : Kind::token});
      text.remove_prefix(begin + word.size());
    }
  }

  std::vector<ChatPart> parts() { return std::move(parts_); }

 private:
  std::pair<size_t, std::string_view> next_token(std::string_view text) const {
    size_t begin = text.size(), length = 0;
    const auto look = [&](std::string_view word) {
      const size_t at = text.find(word);
      if (at < begin) begin = at, length = word.size();
    };
    look("<s>");
    look("</s>");
    for (const std::string& word : form_.tokens) look(word);
    for (const std::string& word : form_.reserved) look(word);
    return {begin, text.substr(begin, length)};
  }

  bool is_reserved(std::string_view word) const {
    return std::ranges::find(form_.reserved, word) != form_.reserved.end();
  }

  const ChatForm& form_;
  std::vector<ChatPart> parts_;
};

/// "message 3"
std::string place(size_t index) { return concat("chat: message ", index + 1); }

void check_contents(const std::vector<ChatMessage>& messages, const ChatForm& form) {
  if (messages.empty()) fail("chat: there are no messages; expected one of the user at least");
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role != "system" && role != "user" && role != "assistant")
      fail(place(i), " has role ", short_text(Json(role)), "; expected system, user or assistant");
    if (const auto& thought = messages[i].thought; thought && !thought->empty()) {
      if (role != "assistant") fail(place(i), " has a thought and is of role ", role, "; expected assistant");
      if (form.thought.before.empty())
        fail(place(i), " has a thought beside its content, for which the template ", form.name,
             " has no place; take it out, or put it into the content");
    }
    for (const std::string& word : form.reserved)
      if (messages[i].content.find(word) != std::string::npos)
        fail(place(i), " spells ", word, ", by which the template ", form.name,
             " parts one turn from the next; take it out");
  }
}

/// `first`: behind the system's message.
void check_order(const std::vector<ChatMessage>& messages, const ChatForm& form, size_t first, bool open) {
  if (!form.alternates) return;
  for (size_t i = first; i < messages.size(); ++i) {
    const std::string expected = (i - first) % 2 == 0 ? "user" : "assistant";
    if (messages[i].role != expected)
      fail(place(i), " is of role ", messages[i].role, ", expected ", expected, ": the template ", form.name,
           " takes user and assistant by turns, behind one system message at most");
  }
  if (first == messages.size())
    fail("chat: there is a system message alone, which the template ", form.name,
         " says within the user's; give one of the user");
  if (open && messages.back().role == "assistant")
    fail(place(messages.size() - 1), ", the last, is the assistant's; an answer follows one of the user");
}

/// The place of the user's last message; where there is none, that of the last.
size_t last_of_user(const std::vector<ChatMessage>& messages) {
  size_t last = messages.size() - 1;
  for (size_t i = 0; i < messages.size(); ++i)
    if (messages[i].role == "user") last = i;
  return last;
}

}  // namespace

std::optional<std::string> chat_template_text(const fs::path& model) {
  if (is_gguf(model)) return template_in_gguf(model);
  const fs::path folder = fs::is_directory(model) ? model : model.parent_path();
  if (const fs::path file = folder / "chat_template.jinja"; fs::exists(file)) return read_text_file(file);
  const fs::path file = folder / "tokenizer_config.json";
  if (!fs::exists(file)) return {};
  const Json json = parse_json(read_text_file(file), file.string());
  const bool given = json.is_object() && json.contains("chat_template");
  return given ? template_of(json["chat_template"], file.string()) : std::nullopt;
}

ChatTemplate ChatTemplate::of_model(const fs::path& model, const std::string& name) {
  if (!name.empty()) return ChatTemplate(chat_form_named(name));
  const auto text = chat_template_text(model);
  const std::string names = joined(chat_form_names());
  if (!text)
    fail(model.string(), ": has no chat template; it is no model for a chat, or its form is to be named by ",
         Setting("chat_template"), ": ", names);
  auto form = recognised_form(*text);
  if (!form)
    fail(model.string(),
         ": its chat template is none of the built-in forms; if one of them does, name it by ",
         Setting("chat_template"), ": ", names);
  return ChatTemplate(std::move(*form));
}

std::vector<ChatPart> ChatTemplate::render(const std::vector<ChatMessage>& messages, bool open) const {
  check_contents(messages, form_);
  const bool given = messages[0].role == "system", own_turn = form_.system_place == System::turn;
  const size_t first = given && !own_turn ? 1 : 0;  // the system's message is said elsewhere, or first
  check_order(messages, form_, first, open);
  Writer out(form_);
  out.form(form_.start);
  const auto say_system = [&](const std::string& content, const std::string& preamble = "") {
    out.form(form_.system.before);
    out.form(preamble);
    out.say(form_.trims_user ? trimmed(content) : content, false);
    out.form(form_.system.behind);
  };
  if (form_.system_place == System::always)
    say_system(given ? messages[0].content : "", form_.preamble);
  else if (own_turn && !given && form_.default_system)
    say_system(*form_.default_system);
  size_t with_system = messages.size();  // the user's message that holds the system's
  if (first == 1 && form_.system_place == System::first_user) with_system = 1;
  if (first == 1 && form_.system_place == System::last_user)
    with_system = messages.size() - (messages.back().role == "user" ? 1 : 2);
  const size_t asked = last_of_user(messages);
  const auto say_answer = [&](const ChatMessage& message, bool behind_query, bool last) {
    const bool thinks = !form_.thought.before.empty(), learned = message.learned;
    auto [thought, said] = thinks ? taken_apart(message) : Answer{"", message.content};
    out.form(form_.open);
    out.form(form_.answer.before, learned);
    if (thinks && behind_query && (!thought.empty() || last)) {
      out.form(form_.thought.before, learned);
      out.say(std::string(without_breaks(thought)), learned);
      out.form(form_.thought.behind, learned);
      said = without_first_breaks(said);
    }
    out.say(form_.trims_answer ? trimmed(said) : std::string(said), learned);
    out.form(form_.answer.behind, learned);
    out.form(form_.closed);
  };
  for (size_t i = first; i < messages.size(); ++i) {
    const std::string &role = messages[i].role, &content = messages[i].content;
    if (role == "system") {
      say_system(content);
    } else if (role == "user") {
      const auto& [before, behind] = form_.system;
      const std::string system = i == with_system ? before + messages[0].content + behind : "";
      const std::string text = form_.trims_user ? trimmed(system + content) : system + content;
      out.form(form_.user.before);
      if (i == with_system) {
        out.form(before);
        out.say(messages[0].content, false);
        out.form(std::string_view(text).substr(system.size() - behind.size(), behind.size()));
      }
      out.say(text.substr(std::min(system.size(), text.size())), false);
      out.form(form_.user.behind);
    } else {
      say_answer(messages[i], i > asked, i + 1 == messages.size());
    }
  }
  if (open) out.form(form_.open);
  return out.parts();
}

std::string_view ChatTemplate::content_of(std::string_view answer) const {
  if (answer.starts_with(form_.answer.before)) answer.remove_prefix(form_.answer.before.size());
  return answer;
}

ChatPart ChatTemplate::end() const {
  Writer out(form_);
  out.form(form_.answer.behind, true);
  return out.parts().back();
}

}  // namespace scca
