#include "models/tokenizer/bpe_tokenizer.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

BpeVocabulary letters() { return {.pieces = {"a", "b", "\xe2\x96\x81"}, .byte_level = false}; }

std::vector<int32_t> ids_of(const BpeVocabulary& vocabulary, const std::string& text) {
  return BpeTokenizer(vocabulary, "test").encode(text);
}

BpeAddedToken token(int32_t id, const std::string& text) {
  BpeAddedToken added;
  added.id = id;
  added.text = text;
  return added;
}

}  // namespace

TEST_CASE("bpe tokenizer: of added tokens the earliest is found, of those the longest") {
  BpeVocabulary vocabulary = letters();
  vocabulary.added = {token(3, "<x"), token(4, "<x>y"), token(5, "x>")};
  CHECK(ids_of(vocabulary, "a<x>yb") == std::vector<int32_t>{0, 4, 1});
  CHECK(ids_of(vocabulary, "<x>b") == std::vector<int32_t>{3, 1});
  CHECK(ids_of(vocabulary, "x>b") == std::vector<int32_t>{5, 1});
  CHECK(ids_of(vocabulary, "<x<x>y") == std::vector<int32_t>{3, 4});
}

TEST_CASE("bpe tokenizer: a piece may reach over a space") {
  BpeVocabulary vocabulary = letters();
  const std::string text =
      "a\xe2\x96\x81"
      "b\xe2\x96\x81"
      "a";
  CHECK(ids_of(vocabulary, text) == std::vector<int32_t>{0, 2, 1, 2, 0});
  vocabulary.pieces.push_back("a\xe2\x96\x81");
  vocabulary.merges = {{"a", "\xe2\x96\x81"}};
  CHECK(ids_of(vocabulary, text) == std::vector<int32_t>{3, 1, 2, 0});
}

TEST_CASE("bpe tokenizer: special ids lie in the vocabulary") {
  BpeVocabulary vocabulary = letters();
  vocabulary.special.eos = 3;
  CHECK(error_of([&] { BpeTokenizer(vocabulary, "file"); }) ==
        "file: EOS is id 3, expected one of the 3 in the vocabulary");
  vocabulary.special = {.adds_bos = true};
  CHECK(error_of([&] { BpeTokenizer(vocabulary, "file"); }).find("no token is said to be BOS") !=
        std::string::npos);
}

TEST_CASE("bpe tokenizer: an older Metaspace says add_prefix_space") {
  const auto ids = [](const std::string& says) {
    const std::string space = R"({"type":"Metaspace","replacement":"▁")" + says + "}";
    return Tokenizer(std::make_unique<BpeTokenizer>(
                         parse_tokenizer_json(
                             R"({"model":{"vocab":{"a":0,"b":1,"▁":2},"merges":[]},"pre_tokenizer":)" +
                                 space + R"(,"decoder":)" + space + "}",
                             "test"),
                         "test"))
        .encode("a b");
  };
  CHECK(ids("") == std::vector<int32_t>{2, 0, 2, 1});
  CHECK(ids(R"(,"add_prefix_space":true)") == std::vector<int32_t>{2, 0, 2, 1});
  CHECK(ids(R"(,"add_prefix_space":false)") == std::vector<int32_t>{0, 2, 1});
  CHECK(error_of([&] { ids(R"(,"add_prefix_space":false,"prepend_scheme":"first")"); }).find("to agree") !=
        std::string::npos);
}
