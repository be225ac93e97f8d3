#include "models/tokenizer/text_steps.h"

#include <doctest/doctest.h>

#include "core/file.h"
#include "models/tokenizer/tokenizer_json_steps.h"
#include "nn/json.h"

using namespace scca;

namespace {

std::vector<std::string> words_of(const std::vector<TextStep>& steps, const std::string& text) {
  const TextSteps compiled(steps, "test");
  std::vector<TextPart> parts{{text, true}};
  KeptTexts kept;
  compiled.run(parts, kept);
  std::vector<std::string> words;
  for (const TextPart& part : parts) words.emplace_back(part.text);
  return words;
}

std::string nfc(const std::string& text) {
  const auto words = words_of({{.kind = TextStep::Kind::nfc}}, text);
  return words.empty() ? "" : words[0];
}

}  // namespace

TEST_CASE("text steps: words equal those of the tokenizers library") {
  const std::string file = SCCA_SOURCE_DIR "/tests/golden/tokenizers/splits.json";
  const Json cases = parse_json(read_text_file(file), file);
  REQUIRE(cases.size() > 150);
  for (const Json& entry : cases) {
    const Json document{{"pre_tokenizer", entry["pre_tokenizer"]}, {"decoder", {{"type", "Fuse"}}}};
    BpeVocabulary vocabulary;
    read_steps(JsonFields(document, "test"), vocabulary);
    CAPTURE(entry.dump());
    CHECK(words_of(vocabulary.pre_tokenizer, entry["text"].get<std::string>()) ==
          entry["words"].get<std::vector<std::string>>());
  }
}

TEST_CASE("text steps: form C composes, reorders and leaves what it must") {
  CHECK(nfc("e\xcc\x81") == "\xc3\xa9");
  CHECK(nfc("\xc3\xa9") == "\xc3\xa9");
  CHECK(nfc("\xe2\x84\xab") == "\xc3\x85");                                      // the Angstrom sign
  CHECK(nfc("q\xcc\x87\xcc\xa3") == "q\xcc\xa3\xcc\x87");                        // marks by their class
  CHECK(nfc("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8") == "\xea\xb0\x81");          // Hangul
  CHECK(nfc("\xe0\xa5\x98") == "\xe0\xa4\x95\xe0\xa4\xbc");                      // excluded from composition
  CHECK(nfc("\xef\xac\x81") == "\xef\xac\x81");                                  // fi: compatibility alone
  CHECK(nfc(std::string("a\0b\xcc\x81", 5)) == std::string("a\0b\xcc\x81", 5));  // past a zero byte
  CHECK(nfc(std::string("a\0e\xcc\x81", 5)) == std::string("a\0\xc3\xa9", 4));
  CHECK(nfc("") == "");
}

TEST_CASE("text steps: replace and prepend") {
  using Kind = TextStep::Kind;
  CHECK(words_of({{.kind = Kind::replace, .pattern = {" "}, .text = "__"}}, " a  b") ==
        std::vector<std::string>{"__a____b"});
  CHECK(words_of({{.kind = Kind::replace, .pattern = {" +", true}, .text = "_"}}, " a  b ") ==
        std::vector<std::string>{"_a_b_"});
  CHECK(words_of({{.kind = Kind::prepend, .text = "_"}}, "_a") == std::vector<std::string>{"__a"});
  CHECK(words_of({{.kind = Kind::prepend, .text = "_"}}, "").empty());
  CHECK(words_of({{.kind = Kind::replace, .pattern = {"a"}, .text = ""}}, "aaa").empty());
}
