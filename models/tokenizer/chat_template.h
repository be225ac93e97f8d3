#pragma once
// A chat as the text that a model was taught to go on from: messages with roles, in the model's own form.
// Which forms there are, and how a model's template is recognised: models/tokenizer/chat_form.h.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/chat_form.h"

namespace scca {

struct ChatMessage {
  std::string role, content;  // system, user or assistant
  /// What the assistant thought before it spoke, where that is said apart from the content.
  std::optional<std::string> thought = {};
  bool learned = true;  // whether an answer is one to learn
};

/// A piece of a rendered chat.
struct ChatPart {
  /// word: one of the form's that is a token where the vocabulary has it as one, and text elsewhere.
  enum class Kind { text, token, word, bos, eos };
  std::string text = {};  // with Kind::token and Kind::word its spelling; empty with bos and eos
  bool answer = false;    // what the assistant says and is to learn, with the end of its turn
  Kind kind = Kind::text;
  bool operator==(const ChatPart&) const = default;
};

/// The Jinja text that a folder (chat_template.jinja, else tokenizer_config.json's chat_template) or a GGUF
/// file (tokenizer.chat_template) has for a chat; of a list of named ones that called "default". Throws Error
/// naming the file for a value of another kind and for a list without that one.
std::optional<std::string> chat_template_text(const std::filesystem::path& model);

class ChatTemplate {
 public:
  explicit ChatTemplate(ChatForm form) : form_(std::move(form)) {}
  /// The form of this name; where it is empty that of the model's own template. Throws UsageError for an
  /// unknown name, and Error, with the names there are, for a model without a template and for a template
  /// that is none of the built-in forms.
  static ChatTemplate of_model(const std::filesystem::path& model, const std::string& name = "");

  const std::string& name() const { return form_.name; }

  /// The whole chat. BOS is the template's business: it is among the parts where the form has it, once or at
  /// each turn, and nobody else is to put one in front, whatever the tokenizer's add_bos_token says.
  /// `open`: ends where the assistant's answer begins (add_generation_prompt). Throws Error naming the
  /// message: no messages, a role that is none of the three, an order that the form cannot say, a thought
  /// that is not the assistant's or for which the form has no place, a content that spells the form's own
  /// words where these are text, as [/INST] is in LLaMA-2's.
  std::vector<ChatPart> render(const std::vector<ChatMessage>& messages, bool open) const;
  /// The token that ends an answer.
  ChatPart end() const;
  /// What a model that goes on from an open chat says, without the space that LLaMA-2's and Mistral's answers
  /// begin with.
  std::string_view content_of(std::string_view answer) const;

 private:
  ChatForm form_;
};

}  // namespace scca
