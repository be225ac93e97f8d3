#include "models/tokenizer/text_steps.h"

#include <doctest/doctest.h>
#include <utf8proc.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <random>

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

std::string nfc_of_utf8proc(const std::string& text) {
  utf8proc_uint8_t* form = nullptr;
  const utf8proc_ssize_t bytes = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
      &form, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  REQUIRE(bytes >= 0);
  std::string result(reinterpret_cast<const char*>(form), static_cast<size_t>(bytes));
  std::free(form);
  return result;
}

std::string utf8(int32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes;
  const utf8proc_ssize_t size = utf8proc_encode_char(code, bytes.data());
  return {bytes.begin(), bytes.begin() + size};
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

TEST_CASE("text steps: form C of every character, and of mixtures, is utf8proc's") {
  std::string wrong;
  for (int32_t code = 1; code < 0x110000; ++code) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const std::string text = utf8(code);
    if (nfc(text) != nfc_of_utf8proc(text)) wrong += std::to_string(code) + " ";
  }
  CHECK(wrong == "");
  // letters, marks of many classes, jamo, syllables, letters with marks, singletons, what does not compose
  constexpr std::array<std::pair<int32_t, int32_t>, 14> kRanges{{{'A', 'z'},
                                                                 {0xc0, 0x17f},
                                                                 {0x300, 0x36f},
                                                                 {0x300, 0x36f},
                                                                 {0x591, 0x5c7},
                                                                 {0x64b, 0x65f},
                                                                 {0x915, 0x963},
                                                                 {0xf71, 0xf84},
                                                                 {0x1100, 0x1115},
                                                                 {0x1160, 0x1178},
                                                                 {0x11a6, 0x11c4},
                                                                 {0xac00, 0xac40},
                                                                 {0x1ea0, 0x1fff},
                                                                 {0x1d157, 0x1d182}}};
  std::mt19937 random(1);
  for (int i = 0; i < 20000 && wrong.empty(); ++i) {
    std::string text;
    for (int length = 1 + static_cast<int>(random() % 12); length > 0; --length) {
      const auto [first, last] = kRanges[random() % kRanges.size()];
      text += utf8(first + static_cast<int32_t>(random() % static_cast<uint32_t>(last - first + 1)));
    }
    if (nfc(text) != nfc_of_utf8proc(text)) wrong = text;
  }
  CHECK(wrong == "");
}

TEST_CASE("text steps: form C of a long row of marks takes no longer than other text") {
  constexpr int kTriples = 30000;  // by swaps of neighbours half a minute
  std::string text = "a", above, below;
  for (int i = 0; i < kTriples; ++i) {
    text += "\xcc\x81\xcc\xa3\xcc\x80";
    above += "\xcc\x81\xcc\x80";  // of one class: in the order of the text
    if (i > 0) below += "\xcc\xa3";
  }
  const auto begin = std::chrono::steady_clock::now();
  const std::string form = nfc(text);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  CHECK((form == "\xe1\xba\xa1" + below + above));  // not printed: 180 kB
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
