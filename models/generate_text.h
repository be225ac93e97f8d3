#pragma once
// Continuing a text as text: decoded as it comes, ended by texts too; and chats.
#include <functional>
#include <string>
#include <vector>

#include "models/generate.h"
#include "models/tokenizer/chat_ids.h"

namespace scca {

struct GeneratedText {
  enum class End { max_tokens, end_of_text, stop, listener };

  std::vector<int32_t> prompt = {}, ids = {};  // ids: with those of the text that ended it
  std::string text = {};                       // without it
  End end = End::max_tokens;                   // listener: on_text said so
  GenerationTimes times = {};
};

/// "max_tokens", "end_of_text", "stop", "listener".
const char* name_of(GeneratedText::End end);

/// What follows `prompt`. `on_text`, if given, hears of the text as it comes, in whole characters and without
/// any part of a text of options.stop, and ends it by returning false. Throws as Generator.
GeneratedText generate_text(Generator& generator, const Tokenizer& tokenizer,
                            const std::vector<int32_t>& prompt, const SamplingOptions& options,
                            const std::function<bool(const std::string&)>& on_text = {});

/// A conversation: each turn is asked with all messages before it, of which only what is new is computed.
class Chat {
 public:
  /// `system`: empty for none. The tokenizer and the model must outlive this.
  Chat(const Llama& model, const Tokenizer& tokenizer, ChatTemplate form, const std::string& system = "");

  /// The ids that the answer to this message follows. Throws as ChatTemplate::render and encode_chat.
  std::vector<int32_t> prompt_for(const std::string& message) const;
  /// The answer, which joins the conversation with the message. It ends with the template's token too, unless
  /// options.stop_at_eos is false.
  GeneratedText answer(const std::string& message, SamplingOptions options,
                       const std::function<bool(const std::string&)>& on_text = {});

  const std::vector<ChatMessage>& messages() const { return messages_; }

 private:
  const Tokenizer& tokenizer_;
  ChatTemplate form_;
  Generator generator_;
  std::vector<ChatMessage> messages_;
};

}  // namespace scca
