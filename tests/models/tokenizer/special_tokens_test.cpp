#include "models/tokenizer/special_tokens.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

/// llama3's tokenizer.json (BOS "<s>" put in front by its post-processor) with other files beside it.
struct Beside {
  explicit Beside(std::initializer_list<std::pair<const char*, std::string>> files) {
    write_file(folder / "tokenizer.json",
               read_text_file(SCCA_SOURCE_DIR "/tests/golden/tokenizers/llama3/tokenizer.json"));
    for (const auto& [name, content] : files) write_file(folder / name, content);
  }
  Tokenizer tokenizer() const { return Tokenizer(folder.path()); }
  std::string error() const {
    return error_of([&] { tokenizer(); });
  }
  TemporaryFolder folder;
};

BpeVocabulary with_template(const std::string& single) {
  const Json json = parse_json(R"({"single":)" + single + R"(,"special_tokens":{"<s>":{"id":"<s>","ids":[7]},
      "</s>":{"id":"</s>","ids":[8]},"two":{"ids":[1,2]},"bad":{"ids":[-1]}}})",
                               "test");
  BpeVocabulary vocabulary;
  read_template(JsonFields(json, "test"), vocabulary);
  return vocabulary;
}

std::string template_error(const std::string& single) {
  return error_of([&] { with_template(single); });
}

constexpr char kText[] = R"({"Sequence":{"id":"A","type_id":0}})";
std::string token(const std::string& name) {
  return R"({"SpecialToken":{"id":")" + name + R"(","type_id":0}})";
}

}  // namespace

TEST_CASE("special tokens: a template's token in front is BOS, one behind EOS") {
  const SpecialIds both = with_template("[" + token("<s>") + "," + kText + "," + token("</s>") + "]").special;
  CHECK(both.bos == 7);
  CHECK(both.eos == 8);
  CHECK(both.adds_bos);
  const SpecialIds none = with_template(concat("[", kText, "]")).special;
  CHECK(none.bos == -1);
  CHECK(!none.adds_bos);
  const std::string two = "[" + token("<s>") + "," + token("</s>") + "," + kText + "]";
  CHECK(template_error(two).find("at most a token in front and one behind") != std::string::npos);
  CHECK(template_error("[]").find("at most a token in front") != std::string::npos);
  CHECK(template_error("3").find("no list named single") != std::string::npos);
  CHECK(template_error("[3]").find("single has 3") != std::string::npos);
  for (const std::string name : {"<x>", "two", "bad"})
    CHECK(template_error("[" + token(name) + "," + kText + "]").find("special_tokens has") !=
          std::string::npos);
}

TEST_CASE("special tokens: the settings beside tokenizer.json name BOS, EOS and UNK") {
  const Tokenizer alone = Beside({}).tokenizer();
  const int32_t bos = alone.encode("<s>")[0], end = alone.encode("<|endoftext|>")[0];
  CHECK(alone.bos_id() == bos);
  CHECK(alone.adds_bos());
  CHECK(alone.eos_id() == -1);
  CHECK(alone.unk_id() == -1);
  const Tokenizer named = Beside({{"tokenizer_config.json", R"({"eos_token":{"content":"<|endoftext|>"}})"},
                                  {"special_tokens_map.json", R"({"eos_token":"a","unk_token":"b"})"}})
                              .tokenizer();
  CHECK(named.eos_id() == end);  // the first file wins
  CHECK(named.unk_id() == named.encode("b")[0]);
  const Tokenizer off = Beside({{"tokenizer_config.json", R"({"add_bos_token":false})"}}).tokenizer();
  CHECK(!off.adds_bos());
  CHECK(off.bos_id() == bos);
  // Not put in front, so another one may be BOS.
  CHECK(Beside({{"tokenizer_config.json", R"({"add_bos_token":false,"bos_token":"<|endoftext|>"})"}})
            .tokenizer()
            .bos_id() == end);
}

TEST_CASE("special tokens: settings that contradict tokenizer.json are refused") {
  const auto error = [](const std::string& config) {
    return Beside({{"tokenizer_config.json", config}}).error();
  };
  CHECK(
      error(R"({"bos_token":"<|endoftext|>"})").find("in front of a text; use files that belong together") !=
      std::string::npos);
  CHECK(error(R"({"eos_token":"<none>"})").find("eos_token is \"<none>\", which is not in tokenizer.json") !=
        std::string::npos);
  CHECK(error(R"({"eos_token":3})").find("eos_token is 3") != std::string::npos);
  CHECK(error("[]").find("expected a JSON object") != std::string::npos);
  CHECK(error(R"({"eos_token":null,"bos_token":""})") == "no error");
}

TEST_CASE("special tokens: those that stand in the files beside tokenizer.json alone are added") {
  const auto ids = [](std::initializer_list<std::pair<const char*, std::string>> files) {
    return Beside(files).tokenizer().encode("<x>");
  };
  const Tokenizer alone = Beside({}).tokenizer();
  const auto next = static_cast<int32_t>(alone.vocab_size());
  const std::vector<int32_t> added{next};
  CHECK(alone.encode("<x>").size() == 3);
  CHECK(ids({{"added_tokens.json", concat(R"({"<x>":)", next, "}")}}) == added);
  const std::string decoder = concat(R"({"added_tokens_decoder":{")", next, R"(":{"content":"<x>"}}})");
  CHECK(ids({{"tokenizer_config.json", decoder}}) == added);
  CHECK(ids({{"tokenizer_config.json", decoder}, {"special_tokens_map.json", R"({"pad_token":"<x>"})"}}) ==
        added);
  CHECK(Beside({{"added_tokens.json", concat(R"({"<x>":)", next + 1, "}")}})
            .error()
            .find(concat("has id ", next + 1, ", expected ", next)) != std::string::npos);
  // one without an id: a piece of the vocabulary, or none
  CHECK(ids({{"tokenizer_config.json", R"({"additional_special_tokens":["<|endoftext|>"]})"}}).size() == 3);
  const Tokenizer piece = Beside({{"tokenizer_config.json", R"({"pad_token":"a"})"}}).tokenizer();
  CHECK(piece.decode(piece.encode("bab")) == "bb");
  // padding is in no text, and has a row in few models
  CHECK(ids({{"tokenizer_config.json", R"({"pad_token":"<x>"})"}}).size() == 3);
  for (const char* named : {R"("extra_special_tokens":["<x>"])", R"("additional_special_tokens":["<x>"])"})
    CHECK(Beside({{"tokenizer_config.json", concat("{", named, "}")}})
              .error()
              .find("\"<x>\", which is not in tokenizer.json or a list of added tokens") !=
          std::string::npos);
}
