#pragma once
// What a record of a file is, before it is tokens.
#include <string>
#include <vector>

#include "models/tokenizer/chat_template.h"

namespace scca {

/// A text; or a prompt and what is to be answered; or a chat. One of the three is filled.
struct Document {
  std::string text = {};
  std::string prompt = {}, completion = {};
  std::vector<ChatMessage> messages = {};
  std::string where = {};  // FILE:LINE, for messages about a chat or a completion
  /// Whether it begins and ends here: a long text comes in parts.
  bool begins = true, ends = true;

  bool is_chat() const { return !messages.empty(); }
  bool is_completion() const { return !prompt.empty() || !completion.empty(); }
  bool empty() const { return text.empty() && !is_completion() && !is_chat(); }
};

}  // namespace scca
