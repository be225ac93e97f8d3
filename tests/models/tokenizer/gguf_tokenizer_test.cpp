#include "models/tokenizer/gguf_tokenizer.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "models/tokenizer/pre_tokenizers.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

const std::string kStories = SCCA_SOURCE_DIR "/tests/data/stories260K";

const std::vector<std::string> kTexts{"", "the cat sat on the 1234 mats, it's  fine\n\n ok",
                                      " the\tthe<|end|>the <pad> the",
                                      "caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd \xff<s></s>", "12a 3 4567"};

/// "Ġ" and its like: GPT-2's character for a byte.
std::string letter(int byte) {
  const bool own = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  int code = byte;
  if (!own) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += !((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

/// Every byte, a few words, a token in front of them and one behind.
BpeVocabulary small_vocabulary(const std::string& pre) {
  BpeVocabulary vocabulary;
  vocabulary.pieces.push_back("<|end|>");
  for (int byte = 0; byte < 256; ++byte) vocabulary.pieces.push_back(letter(byte));
  const std::string space = letter(' ');
  vocabulary.merges = {{"t", "h"}, {"th", "e"}, {space, "the"}, {space, "c"}, {"1", "2"}, {"12", "3"}};
  for (const auto& [left, right] : vocabulary.merges) vocabulary.pieces.push_back(left + right);
  vocabulary.pieces.push_back("<pad>");
  set_pre_tokenizer(vocabulary, pre, "x");
  for (const char* text : {"<|end|>", "<pad>"}) {
    BpeAddedToken token;
    token.text = text;
    token.id = static_cast<int32_t>(std::ranges::find(vocabulary.pieces, text) - vocabulary.pieces.begin());
    token.special = token.id == 0;
    vocabulary.added.push_back(token);
  }
  vocabulary.special = {.bos = 0, .eos = 0, .adds_bos = true};
  return vocabulary;
}

/// The tokenizer of a folder as the one of a GGUF file, and that one as another folder's.
struct RoundTrip {
  RoundTrip(const std::filesystem::path& from, int64_t vocab_size) {
    gguf_tokenizer(from, vocab_size).write(file);
    std::filesystem::create_directories(folder / "back");
    write_tokenizer_files(GgufFile(file), folder / "back");
  }
  void check_same(const Tokenizer& expected) const {
    for (const std::filesystem::path& path : {std::filesystem::path(file), folder / "back"}) {
      INFO(path.string());
      const Tokenizer here(path);
      CHECK(here.bos_id() == expected.bos_id());
      CHECK(here.eos_id() == expected.eos_id());
      CHECK(here.adds_bos() == expected.adds_bos());
      for (const std::string& text : kTexts) {
        INFO(text);
        const std::vector<int32_t> ids = expected.encode(text);
        CHECK(here.encode(text) == ids);
        CHECK(here.decode(ids) == expected.decode(ids));
      }
    }
  }
  TemporaryFolder folder;
  std::string file = folder / "x.gguf";
};

void write_folder(const TemporaryFolder& folder, const BpeVocabulary& vocabulary) {
  write_file(folder / "tokenizer.json", tokenizer_json(vocabulary).dump());
  write_file(
      folder / "tokenizer_config.json",
      R"({"bos_token":"<|end|>","eos_token":"<|end|>","add_bos_token":true,"chat_template":"{{ x }}"})");
}

/// A GGUF file's settings with another number as one of them.
GgufContent with(const std::string& file, const std::string& name, uint32_t value) {
  const GgufFile before(file);
  GgufContent content;
  for (const auto& [key, entry] : before.metadata())
    if (key != name) content.set(key, entry);
  content.set(name, value);
  return content;
}

}  // namespace

TEST_CASE("gguf tokenizer: a byte-level one goes to a file and comes back, with every pre-tokenizer") {
  for (const std::string& pre : pre_tokenizer_names()) {
    INFO(pre);
    const TemporaryFolder folder;
    write_folder(folder, small_vocabulary(pre));
    const RoundTrip trip(folder.path(), 270);
    const Json settings = GgufFile(trip.file).settings();
    CHECK(settings["tokenizer.ggml.pre"] == pre);
    CHECK(settings["tokenizer.ggml.tokens"].size() == 270);
    CHECK(settings["tokenizer.ggml.token_type"][0] == 3);
    CHECK(settings["tokenizer.ggml.token_type"][263] == 4);
    CHECK(settings["tokenizer.ggml.token_type"][269] == 5);
    CHECK(settings["tokenizer.chat_template"] == "{{ x }}");
    trip.check_same(Tokenizer(folder.path()));
    const std::string back = trip.folder / "back/tokenizer_config.json";
    CHECK(parse_json(read_text_file(back), back)["chat_template"] == "{{ x }}");
  }
}

TEST_CASE("gguf tokenizer: SentencePiece's goes to a file and comes back") {
  const RoundTrip trip(kStories, 512);
  const Json settings = GgufFile(trip.file).settings();
  CHECK(settings["tokenizer.ggml.model"] == "llama");
  CHECK(settings["tokenizer.ggml.scores"].size() == 512);
  CHECK(settings["tokenizer.ggml.token_type"][3] == 6);
  trip.check_same(Tokenizer(kStories));
}

TEST_CASE("gguf tokenizer: that a text begins with BOS goes along") {
  const TemporaryFolder folder;
  write_file(folder / "tokenizer.model", read_text_file(kStories + "/tokenizer.model"));
  write_file(folder / "tokenizer_config.json", R"({"add_bos_token":true})");
  const Tokenizer tokenizer(folder.path());
  REQUIRE(tokenizer.adds_bos());
  RoundTrip(folder.path(), 512).check_same(tokenizer);
}

TEST_CASE("gguf tokenizer: a file takes over another file's settings as they are") {
  const RoundTrip trip(kStories, 512);
  const TemporaryFolder folder;
  gguf_tokenizer(trip.file, 512).write(folder / "y.gguf");
  CHECK(GgufFile(folder / "y.gguf").settings() == GgufFile(trip.file).settings());
}

TEST_CASE("gguf tokenizer: what the format has no words for, and files that contradict themselves") {
  const TemporaryFolder folder;
  BpeVocabulary vocabulary = small_vocabulary("gpt-2");
  vocabulary.pre_tokenizer[0].pattern.text = "[a-z]+";
  write_folder(folder, vocabulary);
  CHECK(error_of([&] { gguf_tokenizer(folder.path(), 270); })
            .find("its pre-tokenizer with ignore_merges false is none of those that are written to GGUF: "
                  "default, gpt-2,") != std::string::npos);

  write_folder(folder, small_vocabulary("gpt-2"));
  CHECK(error_of([&] { gguf_tokenizer(folder.path(), 263); }) ==
        "gguf: the tokenizer has 264 tokens, the model's vocabulary 263; use files that belong together");
  vocabulary = small_vocabulary("gpt-2");
  vocabulary.added[1].id = INT32_MAX - 1;  // no list of so many tokens is made
  write_folder(folder, vocabulary);
  CHECK(error_of([&] {
          gguf_tokenizer(folder.path(), 270);
        }).starts_with((folder / "tokenizer.json: ").string()));

  const auto error = [&](const std::function<void(GgufContent&)>& fill) {
    GgufContent content;
    fill(content);
    content.write(folder / "x.gguf");
    return error_of([&] { Tokenizer{folder / "x.gguf"}; });
  };
  const std::string file = folder / "x.gguf: ";
  CHECK(error([](GgufContent& c) { c.set("tokenizer.ggml.model", "bert"); }) ==
        file + "tokenizer.ggml: model is \"bert\", which is not implemented; expected gpt2 or llama");
  CHECK(error([](GgufContent& c) { c.set("tokenizer.ggml.model", "gpt2"); }) ==
        file + "tokenizer.ggml: no tokens: the file has no tokenizer");
  CHECK(error([](GgufContent& c) {
          c.set("tokenizer.ggml.model", "gpt2");
          c.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
          c.set("tokenizer.ggml.token_type", std::vector<int32_t>{1});
        }) == file + "tokenizer.ggml: token_type is [1], expected a list of 2 numbers");
  CHECK(error([](GgufContent& c) {
          c.set("tokenizer.ggml.model", "gpt2");
          c.set("tokenizer.ggml.tokens", std::vector<std::string>{"a"});
          c.set("tokenizer.ggml.pre", "tekken");
        }).find("the pre-tokenizer \"tekken\" is not implemented") != std::string::npos);
  CHECK(error([](GgufContent& c) {
          c.set("tokenizer.ggml.model", "llama");
          c.set("tokenizer.ggml.tokens", std::vector<std::string>{"a"});
        }).find("tokenizer.ggml: no scores") != std::string::npos);
}

TEST_CASE("gguf tokenizer: of a file whose BOS or EOS is none of its tokens no folder is written") {
  const TemporaryFolder folder;
  BpeVocabulary vocabulary = small_vocabulary("llama-bpe");
  write_folder(folder, vocabulary);
  std::filesystem::create_directories(folder / "out");
  const std::string file = folder / "x.gguf";
  for (const std::filesystem::path& from : {folder.path(), std::filesystem::path(kStories)}) {
    const RoundTrip trip(from, 512);
    for (const std::string key : {"bos_token_id", "eos_token_id"}) {
      for (const uint32_t id : {512u, 600u, 2000000000u}) {
        CAPTURE(from.string() + " " + key + " " + std::to_string(id));
        with(trip.file, "tokenizer.ggml." + key, id).write(file);
        const std::string error = error_of([&] { write_tokenizer_files(GgufFile(file), folder / "out"); });
        CHECK(error.starts_with(file + ": tokenizer.ggml: "));
        CHECK(error.find("id " + std::to_string(id) + ", expected ") != std::string::npos);
        CHECK(error == error_of([&] { Tokenizer{file}; }));
        CHECK(std::filesystem::is_empty(folder / "out"));
      }
    }
  }
  vocabulary.special.bos = static_cast<int32_t>(vocabulary.pieces.size());
  CHECK(error_of([&] { tokenizer_json(vocabulary); }) ==
        "tokenizer.json: BOS is id 264, expected one of the 264 pieces");
}
