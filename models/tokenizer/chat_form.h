#pragma once
// The built-in forms of a chat: what stands around each message, as plain data, and how a model's own
// template (Jinja text) is recognised as one of them. There is no Jinja engine. A new form is one row in
// chat_form.cpp.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

/// "<s>" and "</s>" in these texts are the tokenizer's BOS and EOS, whatever it calls them.
struct ChatForm {
  struct Around {
    std::string before = {}, behind = {};
  };
  enum class System { turn, always, first_user, last_user };

  std::string name;
  std::string start = {};   // before everything
  Around user = {};         // around what the user says
  std::string open = {};    // where an answer begins
  Around answer = {};       // around it, as the assistant says it; behind it ends with a token
  std::string closed = {};  // behind an answer that others follow
  /// Around what the assistant thought before it spoke, in a form that knows of it: its contents are taken
  /// apart at </think>, and thoughts are said behind the user's last message alone.
  Around thought = {};
  /// A turn of its own; one that stands there also without a message; within the first or the last message of
  /// the user.
  System system_place = System::turn;
  Around system = {};
  std::string preamble = {};                       // in front of the first system message
  std::optional<std::string> default_system = {};  // where none is given
  bool alternates = false;  // user and assistant by turns, behind one system message at most
  bool trims_user = false, trims_answer = false;  // white space around contents goes, that of the system too
  std::vector<std::string> tokens = {};           // words of the form that are tokens of the vocabulary
  /// Words of the form that are text, but where the vocabulary has them: no message may spell them.
  std::vector<std::string> reserved = {};

  std::vector<std::string> marks = {};    // what live_template() of its templates has, all of it
  std::vector<std::string> without = {};  // and what it has not
  /// What it is put together from beside the marks, and nothing else; kFreeText is the default of the system.
  /// Where the marks tell the rest of a template, that of its outputs alone.
  std::vector<std::string> phrases = {};
  bool outputs_alone = true;
};

const std::vector<ChatForm>& chat_forms();

/// "llama2, llama3, ..."
std::vector<std::string> chat_form_names();
/// Throws UsageError with the names there are.
const ChatForm& chat_form_named(const std::string& name);

/// The form whose marks the template has and whose phrases are all that it writes, with the system message
/// that a ChatML template says where none is given, and BOS if it writes that. Empty where the template is
/// unknown: no form fits, or it writes something else.
std::optional<ChatForm> recognised_form(std::string_view jinja);

}  // namespace scca
