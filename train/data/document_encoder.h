#pragma once
// Documents to ids: what stands around a text or a chat, and what of it is learned.
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "models/tokenizer/chat_template.h"
#include "models/tokenizer/tokenizer.h"
#include "train/data/document.h"
#include "train/data/text_parts.h"
#include "train/data/token_text.h"

namespace scca {

struct EncodingOptions {
  std::string bos = "auto";        // train/data/bos.h; of texts. A chat's BOS is its template's business
  std::string chat_template = {};  // a built-in form in place of the one beside the tokenizer
  bool answers_only = false;       // of chats and completions the answers alone are learned
};

class DocumentEncoder {
 public:
  /// Throws Error as puts_bos, UsageError for a form that is not built in.
  DocumentEncoder(const Tokenizer& tokenizer, EncodingOptions options);

  /// What it does with a document, in words, beside what the tokenizer's files say; empty for a tokenizer
  /// that was read from none.
  std::string description() const;
  /// The files that say what it does: the tokenizer's and the template's.
  std::vector<std::filesystem::path> files() const;

  /// Where a text may be cut in parts that are encoded apart (models/tokenizer/tokenizer.h).
  CutText cut() const {
    return [&tokenizer = tokenizer_](std::string_view text) { return tokenizer.last_cut(text); };
  }

  /// A text has EOS behind it, prompt and completion too; a chat has what its template puts there. Of a text
  /// all is learned. Throws Error for a tokenizer that does not say what ends a document, a chat without an
  /// answer, and as ChatTemplate::of_model, render and encode_chat. May be called from several threads.
  EncodedDocument operator()(const Document& document) const;

 private:
  EncodedDocument text(const Document& document) const;
  EncodedDocument answered(const std::vector<ChatPart>& parts) const;
  std::vector<ChatPart> completion(const Document& document) const;
  const ChatTemplate& chat() const;
  int32_t eos() const;

  const Tokenizer& tokenizer_;
  EncodingOptions options_;
  bool bos_;
  struct Chat {
    std::once_flag once;
    std::optional<ChatTemplate> form;
  };
  std::shared_ptr<Chat> chat_ = std::make_shared<Chat>();  // read when the first chat comes
};

}  // namespace scca
