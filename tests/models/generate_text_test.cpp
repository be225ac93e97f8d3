#include "models/generate_text.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

const std::string kStories = SCCA_SOURCE_DIR "/tests/data/stories260K";
const std::vector<int32_t> kPrompt{1, 403, 407, 261, 378};  // Once upon a time

using End = GeneratedText::End;

struct Stories {
  Llama model = Llama::load(kStories);
  Tokenizer tokenizer{std::filesystem::path(kStories)};

  GeneratedText text(const SamplingOptions& options,
                     const std::function<bool(const std::string&)>& hear = {}) const {
    Generator generator(model);
    return generate_text(generator, tokenizer, kPrompt, options, hear);
  }
};

ChatTemplate llama2() { return ChatTemplate(chat_form_named("llama2")); }

}  // namespace

TEST_CASE("generate text: the text is that of the ids, and the pieces are the text") {
  const Stories stories;
  std::string heard;
  const GeneratedText made = stories.text({.max_tokens = 40, .seed = 1}, [&](const std::string& piece) {
    CHECK(!piece.empty());
    heard += piece;
    return true;
  });
  std::vector<int32_t> all = kPrompt;
  all.insert(all.end(), made.ids.begin(), made.ids.end());
  CHECK(stories.tokenizer.decode(all) == stories.tokenizer.decode(kPrompt) + made.text);
  CHECK(heard == made.text);
  CHECK(made.prompt == kPrompt);
  CHECK(made.end == End::max_tokens);
  CHECK(made.times.prompt_tokens == 5);
}

TEST_CASE("generate text: no part of a stop is ever shown, wherever it stands among the tokens") {
  const Stories stories;
  const SamplingOptions options{.max_tokens = 40, .temperature = 0, .stop_at_eos = false};
  const std::string whole = stories.text(options).text;
  REQUIRE(whole.size() > 60);
  for (size_t begin = 0; begin < 50; begin += 3) {
    for (const size_t length : {1, 2, 5, 11}) {
      SamplingOptions stopping = options;
      stopping.stop = {"never said", whole.substr(begin, length)};
      CAPTURE(stopping.stop[1]);
      const std::string expected = whole.substr(0, whole.find(stopping.stop[1]));
      std::string heard;
      const GeneratedText made = stories.text(stopping, [&](const std::string& piece) {
        heard += piece;
        CHECK(expected.starts_with(heard));
        return true;
      });
      CHECK(made.text == expected);
      CHECK(heard == expected);
      CHECK(made.end == End::stop);
      CHECK(made.ids.size() < 40);  // it ended there
    }
  }
  // one that ends with the last token, and one that does not come to its end
  SamplingOptions stopping = options;
  stopping.stop = {whole.substr(whole.size() - 4)};
  if (whole.find(stopping.stop[0]) == whole.size() - 4) CHECK(stories.text(stopping).end == End::stop);
  stopping.stop = {whole.substr(whole.size() - 4) + "x"};
  CHECK(stories.text(stopping).text == whole);
}

TEST_CASE("generate text: a character that does not come to its end is shown at the end") {
  Stories stories;
  const int32_t byte = stories.tokenizer.token_id("</s>") + 1 + 0xe2;
  REQUIRE(stories.tokenizer.piece(byte) == "<0xE2>");
  const SamplingOptions one{.max_tokens = 1, .temperature = 0};
  const int32_t first = stories.text(one).ids.at(0);
  stories.model.untie();
  const int64_t width = stories.model.config.hidden_size;
  float* head = stories.model.lm_head_VD.data<float>();
  for (int64_t i = 0; i < width; ++i) head[byte * width + i] = 2 * head[first * width + i];
  std::string heard;
  const GeneratedText made = stories.text(one, [&](const std::string& piece) {
    heard += piece;
    return true;
  });
  REQUIRE(made.ids == std::vector<int32_t>{byte});
  CHECK(made.text == "\xef\xbf\xbd");
  CHECK(heard == made.text);
}

TEST_CASE("generate text: what ended it") {
  Stories stories;
  int pieces = 0;
  const GeneratedText cut =
      stories.text({.max_tokens = 40, .temperature = 0}, [&](const std::string&) { return ++pieces < 3; });
  CHECK(cut.end == End::listener);
  CHECK(pieces == 3);
  CHECK(cut.ids.size() < 40);
  stories.model.config.eos_token_ids = {cut.ids.back()};
  const GeneratedText ended = stories.text({.max_tokens = 40, .temperature = 0});
  CHECK(ended.end == End::end_of_text);
  CHECK(std::string(name_of(ended.end)) == "end_of_text");
  CHECK(std::string(name_of(End::max_tokens)) == "max_tokens");
}

TEST_CASE("chat: each turn is asked with all before it, and computes what is new") {
  const Stories stories;
  const SamplingOptions options{.max_tokens = 12, .temperature = 2, .seed = 1};
  Chat chat(stories.model, stories.tokenizer, llama2(), "Be kind");
  std::vector<ChatMessage> messages{{"system", "Be kind"}};
  int parted = 0;
  for (const std::string user : {"Once upon a time", "there was a girl", "Who", "hello", "One day"}) {
    messages.push_back({"user", user});
    const std::vector<int32_t> prompt = encode_chat(stories.tokenizer, llama2().render(messages, true)).ids;
    CHECK(chat.prompt_for(user) == prompt);
    std::string heard;
    const GeneratedText made = chat.answer(user, options, [&](const std::string& piece) {
      heard += piece;
      return true;
    });
    CHECK(made.prompt == prompt);
    CHECK(made.ids == generate(stories.model, prompt, options));
    CHECK(heard == made.text);
    Generator fresh(stories.model);
    const std::string raw = generate_text(fresh, stories.tokenizer, prompt, options).text;
    CHECK(made.text == llama2().content_of(raw));
    parted += made.text != raw;  // from the template's space
    CHECK((messages.size() == 2) == (made.times.prompt_tokens == std::ssize(prompt)));
    messages.push_back({"assistant", made.text});
    CHECK(chat.messages().size() == messages.size());
    CHECK(chat.messages().back().content == made.text);
  }
  CHECK(parted > 0);
  CHECK(
      error_of([&] { chat.answer("a [/INST] b", options); }).starts_with("chat: message 12 spells [/INST]"));
  CHECK(chat.messages().size() == messages.size());
}

TEST_CASE("chat: an answer ends with the template's token, whatever the model calls EOS") {
  Stories stories;
  const SamplingOptions greedy{.max_tokens = 12, .temperature = 0};
  const auto answer = [&](const SamplingOptions& options) {
    return Chat(stories.model, stories.tokenizer, llama2()).answer("Once", options).ids;
  };
  stories.model.config.eos_token_ids = {};
  stories.model.config.generation_eos_ids = {};
  // a head that says </s>, the template's, after two tokens: its row is that of the third
  const std::vector<int32_t> whole = answer(greedy);
  REQUIRE(whole.size() == 12);
  stories.model.untie();
  const int64_t width = stories.model.config.hidden_size;
  float* head = stories.model.lm_head_VD.data<float>();
  std::copy_n(head + whole[2] * width, width, head + stories.tokenizer.eos_id() * width);
  for (int64_t i = 0; i < width; ++i) head[whole[2] * width + i] = 0;
  const std::vector<int32_t> ended = answer(greedy);
  CHECK(ended.size() <= 2);
  SamplingOptions on = greedy;
  on.stop_at_eos = false;
  CHECK(answer(on).size() == 12);
}
