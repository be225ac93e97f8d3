#include "train/data/document_encoder.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "models/files/gguf.h"
#include "models/tokenizer/chat_ids.h"
#include "train/data/bos.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

/// The folder or .gguf file that a tokenizer belongs to: of a file of its own the folder around it, in which
/// its chat template stands.
fs::path model_of(const fs::path& tokenizer) {
  if (fs::is_directory(tokenizer) || is_gguf(tokenizer)) return tokenizer;
  return tokenizer.has_parent_path() ? tokenizer.parent_path() : fs::path(".");
}

}  // namespace

DocumentEncoder::DocumentEncoder(const Tokenizer& tokenizer, EncodingOptions options)
    : tokenizer_(tokenizer), options_(std::move(options)), bos_(puts_bos(options_.bos, tokenizer)) {
  if (!options_.chat_template.empty()) chat_form_named(options_.chat_template);  // before a chat comes
}

EncodedDocument DocumentEncoder::operator()(const Document& document) const {
  if (document.is_chat()) {
    try {
      return answered(chat().render(document.messages, false));
    } catch (const Error& error) {
      fail(document.where, ": ", error.message);
    }
  }
  if (document.is_completion()) return answered(completion(document));
  return text(document);
}

std::string DocumentEncoder::description() const {
  if (tokenizer_.path().empty()) return "";  // which tokenizer it is, no file says
  constexpr int kReading = 2;  // one more wherever records or chats become other ids than before
  return concat("reading ", kReading, "\nbos ", bos_, "\nchat_template ", options_.chat_template,
                "\nanswers_only ", options_.answers_only);
}

std::vector<fs::path> DocumentEncoder::files() const {
  if (tokenizer_.path().empty()) return {};
  const fs::path model = model_of(tokenizer_.path());
  if (!fs::is_directory(model)) return {model};
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(model)) {
    const std::string ending = entry.path().extension().string();
    if (entry.is_regular_file() && (ending == ".json" || ending == ".model" || ending == ".jinja"))
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  // Which of them is read, where it was named by itself.
  if (tokenizer_.path() != model) files.push_back(tokenizer_.path());
  return files;
}

int32_t DocumentEncoder::eos() const {
  SCCA_CHECK(tokenizer_.eos_id() >= 0,
             "the tokenizer does not say which token ends a document; name its eos_token in a "
             "tokenizer_config.json beside it");
  return tokenizer_.eos_id();
}

EncodedDocument DocumentEncoder::text(const Document& document) const {
  const int32_t end = eos();
  EncodedDocument encoded{document.begins ? tokenizer_.encode(document.text, bos_)
                                          : tokenizer_.encode_further(document.text)};
  encoded.begins = document.begins;
  if (document.ends) encoded.ids.push_back(end);
  return encoded;
}

std::vector<ChatPart> DocumentEncoder::completion(const Document& document) const {
  eos();
  std::vector<ChatPart> parts;
  if (bos_) parts.push_back({.kind = ChatPart::Kind::bos});
  if (!document.prompt.empty()) parts.push_back({.text = document.prompt});
  if (!document.completion.empty()) parts.push_back({.text = document.completion, .answer = true});
  parts.push_back({.answer = true, .kind = ChatPart::Kind::eos});
  return parts;
}

EncodedDocument DocumentEncoder::answered(const std::vector<ChatPart>& parts) const {
  ChatIds chat = encode_chat(tokenizer_, parts);
  EncodedDocument encoded{std::move(chat.ids)};
  if (!options_.answers_only) return encoded;
  SCCA_CHECK(std::ranges::find(chat.answer, true) != chat.answer.end(),
             "the chat has no message of the assistant that is to be learned");
  encoded.learned = std::move(chat.answer);
  return encoded;
}

const ChatTemplate& DocumentEncoder::chat() const {
  std::call_once(chat_->once, [&] {
    chat_->form = ChatTemplate::of_model(model_of(tokenizer_.path()), options_.chat_template);
  });
  return *chat_->form;
}

}  // namespace scca
