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

Document chat_form(const JsonRecord& record, const std::string& field) {
  const Json fields = record.fields({field});
  const Json& list = fields[field];
  SCCA_CHECK(list.is_array() && !list.empty(), record.where(), ": \"", field, "\" is ", short_text(list),
             ", expected a list of messages");
  Document document{.where = record.where()};
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = concat(record.where(), ": ", field, "[", i, "]");
    SCCA_CHECK(list[i].is_object(), where, " is ", short_text(list[i]), ", expected an object");
    const bool share_gpt = list[i].contains("from");
    document.messages.push_back({role_of(string_of(list[i], share_gpt ? "from" : "role", where)),
                                 string_of(list[i], share_gpt ? "value" : "content", where)});
  }
  return document;
}

template <auto completion>
Document completion_form(const JsonRecord& record, const std::string& prompt) {
  const std::string answer = completion;
  const Json fields = record.fields({prompt, answer});
  return {.prompt = string_of(fields, prompt, record.where()),
          .completion = string_of(fields, answer, record.where()),
          .where = record.where()};
}

Document instruction_form(const JsonRecord& record, const std::string& field) {
  const Json fields = record.fields({field, "input", "output", "system"});
  std::string user = string_of(fields, field, record.where());
  if (const std::string input = string_of(fields, "input", record.where(), false); !input.empty())
    user += "\n\n" + input;
  Document document{.where = record.where()};
  if (std::string system = string_of(fields, "system", record.where(), false); !system.empty())
    document.messages.push_back({"system", std::move(system)});
  document.messages.push_back({"user", std::move(user)});
  document.messages.push_back({"assistant", string_of(fields, "output", record.where())});
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
    SCCA_CHECK(record.has(text_field), record.where(), ": has no \"", text_field, "\" field, but ",
               record.names());
    return text_form(record, text_field);
  }
  for (const Form& form : forms())
    if (std::ranges::all_of(form.fields, [&](const std::string& name) { return record.has(name); }))
      return form.read(record, form.fields[0]);
  fail(record.where(), ": has no \"text\" field, but ", record.names(),
       "; name the one that holds the text with ", Setting("text_field"),
       ", or write messages, prompt and completion, or instruction and output");
}

}  // namespace scca
