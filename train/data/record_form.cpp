#include "train/data/record_form.h"

#include <algorithm>
#include <map>

#include "core/check.h"

namespace scca {
namespace {

/// A field that must be a string; "" where it is null or absent and may be.
std::string string_of(const Json& fields, const std::string& name, const std::string& where,
                      bool needed = true) {
  const auto found = fields.find(name);
  if (!needed && (found == fields.end() || found->is_null())) return "";
  SCCA_CHECK(found != fields.end(), where, ": has no \"", name, "\"");
  SCCA_CHECK(found->is_string(), where, ": \"", name, "\" is ", short_text(*found), ", expected a string");
  return checked_text(found->get<std::string>(), name, where);
}

Document text_form(const JsonRecord& record, const std::string& field) {
  return {.text = string_of(record.fields({field}), field, record.where())};
}

/// What ShareGPT's "from" calls whom.
std::string role_of(const std::string& from) {
  static const std::map<std::string, std::string> kRoles{
      {"human", "user"}, {"gpt", "assistant"}, {"chatgpt", "assistant"}, {"bing", "assistant"}};
  const auto found = kRoles.find(from);
  return found == kRoles.end() ? from : found->second;
}

/// A field that says what is not read, and would change what is learned; it may be there and empty.
void refuse_field(const Json& fields, const char* name, const std::string& where, const char* why) {
  const auto found = fields.find(name);
  if (found == fields.end() || found->is_null() || found->empty() || *found == "" || *found == "[]") return;
  fail(where, ": has \"", name, "\", ", why);
}
constexpr char kNoTools[] = "and a chat here has no tools; take the record out, or write it as text";
constexpr const char* kToolsOfChat[] = {"tools", "functions"};
constexpr const char* kToolsOfMessage[] = {"tool_calls", "function_call", "tool_call_id"};
/// What the assistant thought, by the names that people give it.
constexpr const char* kThought[] = {"reasoning_content", "reasoning", "thinking"};

/// A text, or OpenAI's list of parts, {"type": "text", "text"}, which are one text.
std::string content_of(const Json& message, const std::string& name, const std::string& where) {
  const auto found = message.find(name);
  if (found == message.end() || !found->is_array()) return string_of(message, name, where);
  std::string content;
  for (const Json& part : *found) {
    SCCA_CHECK(part.is_object() && part.value("type", Json()) == "text", where, ": \"", name,
               "\" has a part ", short_text(part),
               ", expected texts alone, {\"type\": \"text\", \"text\": ...}");
    content += string_of(part, "text", where);
  }
  return content;
}

/// OpenAI's weight of an answer: 0 for one that is not to be learned.
bool learned(const Json& message, const std::string& where) {
  const auto weight = message.find("weight");
  if (weight == message.end() || weight->is_null()) return true;
  SCCA_CHECK(*weight == 0 || *weight == 1, where, ": \"weight\" is ", short_text(*weight),
             ", expected 0 or 1");
  return *weight == 1;
}

ChatMessage message_of(const Json& message, const std::string& where) {
  SCCA_CHECK(message.is_object(), where, " is ", short_text(message), ", expected an object");
  for (const char* name : kToolsOfMessage) refuse_field(message, name, where, kNoTools);
  const bool share_gpt = message.contains("from");
  ChatMessage made{role_of(string_of(message, share_gpt ? "from" : "role", where)),
                   content_of(message, share_gpt ? "value" : "content", where)};
  for (const char* name : kThought)
    if (message.contains(name) && !message[name].is_null()) made.thought = string_of(message, name, where);
  made.learned = learned(message, where);
  return made;
}

/// Adds the messages of a field.
void add_messages(const JsonRecord& record, const Json& list, const std::string& field, Document& document) {
  SCCA_CHECK(list.is_array() && !list.empty(), record.where(), ": \"", field, "\" is ", short_text(list),
             ", expected a list of messages");
  for (size_t i = 0; i < list.size(); ++i)
    document.messages.push_back(message_of(list[i], concat(record.where(), ": ", field, "[", i, "]")));
}

/// What else a record of a chat may hold: tools, which are refused, and the system's message.
void add_record(const JsonRecord& record, Document& document) {
  for (const char* name : kToolsOfChat) refuse_field(record.fields({name}), name, record.where(), kNoTools);
  std::string system = string_of(record.fields({"system"}), "system", record.where(), false);
  if (system.empty()) return;
  SCCA_CHECK(document.messages[0].role != "system", record.where(),
             ": has a \"system\" and a message of the system; leave one out");
  document.messages.insert(document.messages.begin(), {"system", std::move(system)});
}

Document chat_form(const JsonRecord& record, const std::string& field) {
  Document document{.where = record.where()};
  add_messages(record, record.fields({field})[field], field, document);
  add_record(record, document);
  return document;
}

/// A chat in two parts: what is answered in the second is learned.
Document chat_completion(const JsonRecord& record, const Json& fields, const std::string& prompt,
                         const std::string& answer) {
  Document document{.where = record.where()};
  add_messages(record, fields[prompt], prompt, document);
  for (ChatMessage& message : document.messages) message.learned = false;
  add_messages(record, fields[answer], answer, document);
  add_record(record, document);
  return document;
}

template <auto completion>
Document completion_form(const JsonRecord& record, const std::string& prompt) {
  const std::string answer = completion;
  const Json fields = record.fields({prompt, answer});
  if (fields[prompt].is_array()) return chat_completion(record, fields, prompt, answer);
  refuse_field(record.fields({"system"}), "system", record.where(),
               "and a prompt and its completion are texts; write messages");
  return {.prompt = string_of(fields, prompt, record.where()),
          .completion = string_of(fields, answer, record.where()),
          .where = record.where()};
}

/// The turns before an instruction, as LLaMA-Factory has them: [[what the user says, what is answered], ...]
void add_history(const JsonRecord& record, const Json& fields, Document& document) {
  const auto history = fields.find("history");
  if (history == fields.end() || history->is_null()) return;
  const auto is_turn = [](const Json& turn) {
    return turn.is_array() && turn.size() == 2 && turn[0].is_string() && turn[1].is_string();
  };
  SCCA_CHECK(history->is_array() && std::ranges::all_of(*history, is_turn), record.where(),
             ": \"history\" is ", short_text(*history),
             ", expected a list of turns, [[user, assistant], ...]");
  for (const Json& turn : *history)
    for (const size_t i : {size_t{0}, size_t{1}})
      document.messages.push_back({i == 0 ? "user" : "assistant",
                                   checked_text(turn[i].get<std::string>(), "history", record.where())});
}

Document instruction_form(const JsonRecord& record, const std::string& field) {
  const Json fields = record.fields({field, "input", "output", "history"});
  std::string user = string_of(fields, field, record.where());
  if (const std::string input = string_of(fields, "input", record.where(), false); !input.empty())
    user += "\n\n" + input;
  Document document{.where = record.where()};
  add_history(record, fields, document);
  document.messages.push_back({"user", std::move(user)});
  document.messages.push_back({"assistant", string_of(fields, "output", record.where())});
  add_record(record, document);
  return document;
}

constexpr char kCompletion[] = "completion", kResponse[] = "response";

struct Form {
  std::vector<std::string> fields;  // which must be there; the first is handed on
  Document (*read)(const JsonRecord& record, const std::string& field);
};
const std::vector<Form>& forms() {
  static const std::vector<Form> kForms{{{"text"}, text_form},
                                        {{"messages"}, chat_form},
                                        {{"conversations"}, chat_form},
                                        {{"prompt", kCompletion}, completion_form<kCompletion>},
                                        {{"prompt", kResponse}, completion_form<kResponse>},
                                        {{"instruction", "output"}, instruction_form}};
  return kForms;
}

}  // namespace

std::string checked_text(std::string text, const std::string& field, const std::string& where) {
  const size_t nul = text.find('\0');
  SCCA_CHECK(nul == std::string::npos, where, ": \"", field, "\" holds a NUL character, at byte ", nul,
             "; it is no text");
  return text;
}

Document document_of(const JsonRecord& record, const std::string& text_field) {
  if (!text_field.empty()) {
    if (!record.has(text_field))
      fail<NoText>(record.where(), ": has no \"", text_field, "\" field, but ", record.names());
    return text_form(record, text_field);
  }
  for (const Form& form : forms())
    if (std::ranges::all_of(form.fields, [&](const std::string& name) { return record.has(name); }))
      return form.read(record, form.fields[0]);
  fail<NoText>(record.where(), ": has no \"text\" field, but ", record.names(),
               "; name the one that holds the text with ", Setting("text_field"),
               ", or write messages, prompt and completion, or instruction and output");
}

}  // namespace scca
