#include "train/data/document_encoder.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/file.h"
#include "models/tokenizer/chat_ids.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

const std::string kStories = SCCA_SOURCE_DIR "/tests/data/stories260K";

const Tokenizer& stories() {
  static const Tokenizer tokenizer(kStories);
  return tokenizer;
}

/// The text of what is learned.
std::string learned(const EncodedDocument& document) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < document.ids.size(); ++i)
    if (document.learned.empty() || document.learned[i]) ids.push_back(document.ids[i]);
  return stories().decode(ids);
}

const Document kChat{.messages = {{"user", "Who is Tim?"}, {"assistant", "A boy."}}, .where = "f:3"};
const Document kCompletion{.prompt = "Tim had a", .completion = " red ball.", .where = "f:4"};

}  // namespace

TEST_CASE("document encoder: a text has EOS behind it, BOS in front when asked for, and is all learned") {
  std::vector<int32_t> expected = stories().encode("Once upon");
  expected.push_back(stories().eos_id());
  const EncodedDocument plain = DocumentEncoder(stories(), {.answers_only = true})({.text = "Once upon"});
  CHECK(plain.ids == expected);
  CHECK(plain.learned.empty());
  expected.insert(expected.begin(), stories().bos_id());
  CHECK(DocumentEncoder(stories(), {.bos = "on"})({.text = "Once upon"}).ids == expected);
}

TEST_CASE("document encoder: the parts of a text have the ids of the whole, BOS and EOS once") {
  const Tokenizer tokenizer(SCCA_SOURCE_DIR "/train/demo/base/tokenizer.model");
  const DocumentEncoder encode(tokenizer, {.bos = "on"});
  std::string text;
  for (int i = 0; i < 50; ++i) text += "Call me Ishmael.\nSome years ago -- never mind how long ";
  const EncodedDocument whole = encode({.text = text});
  TextParts parts(encode.cut(), 100);
  parts.add(text);
  parts.end();
  std::vector<int32_t> ids;
  int count = 0;
  for (Document part; parts.next(part); ++count) {
    const EncodedDocument encoded = encode(part);
    CHECK(encoded.begins == (count == 0));
    ids.insert(ids.end(), encoded.ids.begin(), encoded.ids.end());
  }
  CHECK(count > 20);
  CHECK(ids == whole.ids);
  CHECK(!DocumentEncoder(stories(), {}).cut()(text));  // a tokenizer that allows no cut
}

TEST_CASE("document encoder: a completion is learned with the EOS that ends it") {
  const DocumentEncoder encode(stories(), {.answers_only = true});
  const EncodedDocument document = encode(kCompletion);
  std::vector<int32_t> whole = stories().encode("Tim had a red ball.");
  whole.push_back(stories().eos_id());
  CHECK(document.ids == whole);
  CHECK(learned(document) == "red ball.");
  REQUIRE(document.learned.size() == whole.size());
  CHECK(document.learned.back());
  CHECK(!document.learned.front());
  CHECK(DocumentEncoder(stories(), {})(kCompletion).learned.empty());
  CHECK(DocumentEncoder(stories(), {.bos = "on"})(kCompletion).ids.front() == stories().bos_id());
  const EncodedDocument silent = encode({.prompt = "Tim", .where = "f:1"});  // what ends at once
  CHECK(silent.ids.back() == stories().eos_id());
  CHECK(learned(silent).empty());
  CHECK(silent.learned.back());
}

TEST_CASE("document encoder: a chat has what its template puts around it, and its answers are learned") {
  const DocumentEncoder encode(stories(), {.bos = "off", .chat_template = "llama2", .answers_only = true});
  const ChatIds expected =
      encode_chat(stories(), ChatTemplate(chat_form_named("llama2")).render(kChat.messages, false));
  const EncodedDocument document = encode(kChat);
  CHECK(document.ids == expected.ids);
  CHECK(document.learned == expected.answer);
  CHECK(learned(document).find("A boy.") != std::string::npos);
  CHECK(learned(document).find("Who") == std::string::npos);
  CHECK(DocumentEncoder(stories(), {.chat_template = "llama2"})(kChat).learned.empty());
  Document other = kChat;
  other.messages.push_back({"user", "And he?"});
  other.messages.push_back({.role = "assistant", .content = "A cat.", .learned = false});
  CHECK(learned(encode(other)) == learned(document));
  CHECK(encode(other).ids.size() > document.ids.size());
}

TEST_CASE("document encoder: what decides over its ids is said, in words and files") {
  const auto words = [](EncodingOptions options) {
    return DocumentEncoder(stories(), options).description();
  };
  const std::string plain = words({});
  CHECK(words({.bos = "on"}) != plain);
  CHECK(words({.chat_template = "llama2"}) != plain);
  CHECK(words({.answers_only = true}) != plain);
  const std::vector<std::filesystem::path> files = DocumentEncoder(stories(), {}).files();
  CHECK(std::ranges::find(files, std::filesystem::path(kStories) / "tokenizer.model") != files.end());
  // Of a tokenizer's own file too: the template beside it shapes chats.
  const Tokenizer lone(kStories + "/tokenizer.model");
  const std::vector<std::filesystem::path> beside = DocumentEncoder(lone, {}).files();
  CHECK(beside.size() == files.size() + 1);
  CHECK(std::ranges::find(beside, lone.path()) != beside.end());
}

TEST_CASE("document encoder: what cannot be encoded says where it stands") {
  const DocumentEncoder encode(stories(), {.chat_template = "llama2", .answers_only = true});
  CHECK(error_of([&] {
          encode({.messages = {{"user", "Hi"}}, .where = "f:9"});
        }) == "f:9: the chat has no message of the assistant that is to be learned");
  CHECK(error_of([&] { encode({.messages = {{"robot", "Hi"}}, .where = "f:9"}); }).starts_with("f:9: "));
  const std::string error = error_of([&] { DocumentEncoder(stories(), {})(kChat); });
  CHECK(error.starts_with("f:3: "));
  CHECK(error.find("llama2") != std::string::npos);  // which forms there are
  CHECK(error_of([&] { DocumentEncoder(stories(), {.chat_template = "lama"}); }).find("'lama'") !=
        std::string::npos);
}

TEST_CASE("document encoder: the template of a tokenizer's file stands beside it") {
  const TemporaryFolder folder;
  write_file(folder / "tokenizer.model", read_text_file(kStories + "/tokenizer.model"));
  const std::string goldens = SCCA_SOURCE_DIR "/tests/golden/chat.json";
  for (const Json& golden : parse_json(read_text_file(goldens), goldens)) {
    const std::string jinja = golden["template"].get<std::string>();
    if (recognised_form(jinja)->name == "llama2") write_file(folder / "chat_template.jinja", jinja);
  }
  const Tokenizer file(folder / "tokenizer.model"), whole(folder.path());
  const std::vector<int32_t> named = DocumentEncoder(stories(), {.chat_template = "llama2"})(kChat).ids;
  CHECK(DocumentEncoder(file, {})(kChat).ids == named);
  CHECK(DocumentEncoder(whole, {})(kChat).ids == named);
}
