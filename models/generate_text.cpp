#include "models/generate_text.h"

#include <utility>

#include "models/stop_texts.h"

namespace scca {

const char* name_of(GeneratedText::End end) {
  constexpr const char* kNames[] = {"max_tokens", "end_of_text", "stop", "listener"};
  return kNames[static_cast<size_t>(end)];
}

GeneratedText generate_text(Generator& generator, const Tokenizer& tokenizer,
                            const std::vector<int32_t>& prompt, const SamplingOptions& options,
                            const std::function<bool(const std::string&)>& on_text) {
  using End = GeneratedText::End;
  GeneratedText made{.prompt = prompt};
  TextStream stream(tokenizer, prompt);
  StopTexts stop(options.stop);
  bool heard = true;
  const auto show = [&](const std::string& text) {
    made.text += text;
    if (on_text && heard && !text.empty()) heard = on_text(text);
  };
  made.ids = generator(prompt, options, [&](int32_t id) {
    show(stop.push(stream.push(id)));
    return heard && !stop.stopped();
  });
  show(stop.push(stream.finish()));
  show(stop.finish());
  made.end = stop.stopped()                               ? End::stop
             : !heard                                     ? End::listener
             : std::ssize(made.ids) == options.max_tokens ? End::max_tokens
                                                          : End::end_of_text;
  made.times = generator.times();
  return made;
}

Chat::Chat(const Llama& model, const Tokenizer& tokenizer, ChatTemplate form, const std::string& system)
    : tokenizer_(tokenizer), form_(std::move(form)), generator_(model) {
  if (!system.empty()) messages_.push_back({"system", system});
}

std::vector<int32_t> Chat::prompt_for(const std::string& message) const {
  std::vector<ChatMessage> messages = messages_;
  messages.push_back({"user", message});
  return encode_chat(tokenizer_, form_.render(messages, true)).ids;
}

GeneratedText Chat::answer(const std::string& message, SamplingOptions options,
                           const std::function<bool(const std::string&)>& on_text) {
  if (options.stop_at_eos) options.stop_ids.push_back(chat_token(tokenizer_, form_.end()));
  bool begun = false;
  GeneratedText made =
      generate_text(generator_, tokenizer_, prompt_for(message), options, [&](const std::string& text) {
        const std::string_view shown = std::exchange(begun, true) ? text : form_.content_of(text);
        return !on_text || shown.empty() || on_text(std::string(shown));
      });
  made.text = form_.content_of(made.text);
  messages_.push_back({"user", message});
  messages_.push_back({"assistant", made.text});
  return made;
}

}  // namespace scca
