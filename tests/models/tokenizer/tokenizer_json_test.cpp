#include "models/tokenizer/tokenizer_json.h"

#include <doctest/doctest.h>

#include <random>

#include "core/file.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/utf8.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

// Made by tests/golden/make_tokenizer_goldens.py with the tokenizers library.
const std::string kGolden = SCCA_SOURCE_DIR "/tests/golden/tokenizers";
const std::vector<std::string> kFamilies = {"gpt2",  "llama3",        "smollm2",
                                            "qwen2", "sentencepiece", "metaspace"};

Json read_json(const std::string& file) { return parse_json(read_text_file(file), file); }

std::vector<std::string> texts() {
  return read_json(kGolden + "/texts.json").get<std::vector<std::string>>();
}

/// A family's tokenizer.json, changed, in a folder of its own.
std::string error_with(const std::string& family, const std::function<void(Json&)>& change) {
  const TemporaryFolder folder;
  Json json = read_json(kGolden + "/" + family + "/tokenizer.json");
  change(json);
  write_file(folder / "tokenizer.json", json.dump());
  return error_of([&] { Tokenizer tokenizer(folder.path()); });
}

}  // namespace

TEST_CASE("tokenizer_json: ids and texts equal those of the tokenizers library") {
  for (const std::string& family : kFamilies) {
    CAPTURE(family);
    const std::string folder = kGolden + "/" + family;
    const Tokenizer tokenizer(folder);
    const Json golden = read_json(folder + "/ids.json");
    CHECK(tokenizer.vocab_size() == golden["vocab_size"]);
    CHECK(tokenizer.bos_id() == golden["bos"]);
    CHECK(tokenizer.eos_id() == golden["eos"]);
    CHECK(tokenizer.encode("a", tokenizer.adds_bos()) == golden["with_special"].get<std::vector<int32_t>>());
    const std::vector<std::string> all = texts();
    REQUIRE(all.size() == 300);
    REQUIRE(golden["ids"].size() == all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      CAPTURE(all[i]);
      const auto ids = golden["ids"][i].get<std::vector<int32_t>>();
      CHECK(tokenizer.encode(all[i]) == ids);
      CHECK(tokenizer.decode(ids) == golden["decoded"][i].get<std::string>());
      const std::string key = std::to_string(i);
      const Json& plain = golden["plain"].contains(key) ? golden["plain"][key] : golden["ids"][i];
      CHECK(tokenizer.encode_plain(all[i], false) == plain.get<std::vector<int32_t>>());
    }
    CHECK(golden["plain"].size() > 10);
  }
}

TEST_CASE("tokenizer_json: a text with bytes that are no UTF-8 is read as U+FFFD, one each") {
  for (const std::string& family : kFamilies) {
    const Tokenizer tokenizer(kGolden + "/" + family);
    for (const std::string text : {"\xff", "a\xe2\x82 b", "\xf0\x9f\x98", "x\xc0\x80y"})
      CHECK(tokenizer.encode(text) == tokenizer.encode(valid_utf8(text)));
  }
}

TEST_CASE("tokenizer_json: a stream gives the text that decode gives, whole characters only") {
  for (const std::string& family : kFamilies) {
    CAPTURE(family);
    const Tokenizer tokenizer(kGolden + "/" + family);
    std::mt19937 random(3);
    for (int round = 0; round < 200; ++round) {
      std::vector<int32_t> ids;
      if (round % 2 == 0) ids = tokenizer.encode(texts()[static_cast<size_t>(round)]);
      for (int i = 0; i < 8; ++i)
        ids.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(tokenizer.vocab_size())));
      TextStream stream(tokenizer);
      std::string joined;
      for (const int32_t id : ids) {
        const std::string part = stream.push(id);
        CHECK(part == valid_utf8(part));
        joined += part;
      }
      CHECK(joined + stream.finish() == tokenizer.decode(ids));
    }
  }
  // "é" is two byte-level pieces: the first shows nothing.
  const Tokenizer gpt2(kGolden + "/gpt2");
  const std::vector<int32_t> accent = gpt2.encode("\xf4\x8f\xbf\xbf");
  REQUIRE(accent.size() == 4);
  TextStream stream(gpt2);
  for (size_t i = 0; i < 3; ++i) CHECK(stream.push(accent[i]) == "");
  CHECK(stream.push(accent[3]) == "\xf4\x8f\xbf\xbf");
  CHECK(!gpt2.is_byte(accent[0]));
  CHECK(gpt2.piece(gpt2.encode(" ")[0]) == "\xc4\xa0");
}

TEST_CASE("tokenizer_json: what is not built is refused by its name") {
  const auto refused = [&](const std::string& family, const std::string& says,
                           const std::function<void(Json&)>& change) {
    const std::string error = error_with(family, change);
    CAPTURE(says);
    CAPTURE(error);
    CHECK(error.find(says) != std::string::npos);
    CHECK(error.find("tokenizer.json: ") != std::string::npos);
    CHECK(error.find('\n') == std::string::npos);
  };
  const auto model = [&](const char* key, const Json& value, const std::string& says) {
    refused("gpt2", says, [&](Json& json) { json["model"][key] = value; });
  };
  const auto part = [&](const char* key, const Json& value, const std::string& says) {
    refused("gpt2", says, [&](Json& json) { json[key] = value; });
  };
  CHECK(error_with("gpt2", [](Json&) {}) == "no error");
  model("type", "Unigram", "the model is \"Unigram\", which is not implemented; expected BPE");
  model("type", "WordPiece", "\"WordPiece\"");
  model("dropout", 0.1, "dropout is 0.1");
  model("continuing_subword_prefix", "##", "continuing_subword_prefix is \"##\"");
  model("end_of_word_suffix", "</w>", "end_of_word_suffix is \"</w>\"");
  model("new_thing", true, "\"new_thing\"");
  model("unk_token", "<none>", "unk_token is \"<none>\"");
  model("vocab", {{"a", 0}, {"b", 0}}, "has id 0, as has");
  model("vocab", {{"a", 0}, {"b", 2}}, "expected an id below 2");
  model("vocab", {{"a", 0}, {"b", -1}}, "expected an id below 2");
  model("vocab", Json::object(), "expected at least one");
  model("vocab", 3, "vocab is 3");
  model("merges", {"a b c"}, "merge \"a b c\", expected two pieces");
  model("merges", {"ab"}, "merge \"ab\", expected two pieces");
  model("merges", {3}, "merge 0 is 3");
  model("merges", {{"a", "b", "c"}}, "merge 0 is [\"a\",\"b\",\"c\"]");
  model("merges", {"a \xe2\x96\x81"}, "which is not in the vocabulary");
  model("merges", {"q q"}, "needs the piece \"qq\"");
  model("merges", {" a"}, "two pieces that are not empty");
  model("merges", {"h e", "h e"}, "comes a second time");
  model("byte_fallback", true, "byte_fallback");
  part("normalizer", {{"type", "NFKC"}}, "normalizer: \"NFKC\" is not implemented; expected NFC");
  part("normalizer", {{"type", "Lowercase"}}, "\"Lowercase\" is not implemented");
  part("normalizer", {{"type", "Prepend"}}, "Prepend has no prepend");
  part("normalizer", 3, "normalizer: 3");
  part("pre_tokenizer", {{"type", "BertPreTokenizer"}},
       "pre_tokenizer: \"BertPreTokenizer\" is not implemented");
  part("pre_tokenizer", {{"type", "Whitespace"}}, "\"Whitespace\"");
  part("pre_tokenizer", {{"type", "ByteLevel"}, {"faster", 1}}, "\"faster\"");
  part("pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", {{{"type", "ByteLevel"}}, {{"type", "Digits"}}}}},
       "Digits behind ByteLevel");
  part("pre_tokenizer", nullptr, "the decoder is ByteLevel and the pre-tokenizer is not");
  part("decoder", nullptr, "the pre-tokenizer is ByteLevel and the decoder is not");
  part("decoder", {{"type", "WordPiece"}}, "decoder: \"WordPiece\"");
  const Json longer{{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(100, 'a')}};
  const Json prefix{{"type", "Prepend"}, {"prepend", std::string(100, 'a')}};
  part("normalizer", {{"type", "Sequence"}, {"normalizers", {longer, longer}}}, "10000 times as long");
  part("normalizer", {{"type", "Sequence"}, {"normalizers", {prefix, prefix}}}, "10201 times as long");
  refused("sentencepiece", "10000 times as long", [&](Json& json) {
    json["decoder"] = {{"type", "Sequence"},
                       {"decoders", {longer, {{"type", "ByteFallback"}}, longer, {{"type", "Fuse"}}}}};
  });
  for (const std::string key : {"pre_tokenizer", "decoder"})
    for (const std::string mark : {"", "ab"})
      refused("metaspace", "expected one character", [&](Json& json) { json[key]["replacement"] = mark; });
  part("post_processor", {{"type", "RobertaProcessing"}}, "post_processor: \"RobertaProcessing\"");
  part("post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {{{"Sequence", {{"id", "A"}}}}, {{"Sequence", {{"id", "B"}}}}}}},
       "expected tokens around one text");
  part("new_part", {{"type", "X"}}, "\"new_part\"");
  part("model", nullptr, "no model in it");
  part("added_tokens", {{{"id", 0}, {"content", "<x>"}}}, "but that is");
  part("added_tokens", {{{"id", 5000}, {"content", "<x>"}}}, "the first that is free");
  part("added_tokens", {{{"id", -1}, {"content", "<x>"}}}, "expected an id of 0 or more");
  part("added_tokens", {{{"id", 420}, {"content", "the"}}, {{"id", 421}, {"content", "the"}}}, "\"the\"");
  part("added_tokens", {{{"id", 420}, {"content", ""}}}, "added token 420 has no text");
  part("added_tokens", {{{"id", 420}, {"content", "a"}}}, "but the vocabulary has it as id");
  part("added_tokens", {{{"id", 420}, {"content", "<x>"}, {"rare", 2}}}, "\"rare\"");
  refused("sentencepiece", "decoder has no ByteFallback", [](Json& json) {
    json["decoder"] = {{"type", "Fuse"}};
  });
  refused("sentencepiece", "no decoder that joins pieces", [](Json& json) {
    json["decoder"] = nullptr;
    json["model"]["byte_fallback"] = false;
  });
  refused("sentencepiece", "\"<wide>\" comes twice", [](Json& json) {
    json["added_tokens"].push_back({{"id", json["model"]["vocab"].size() + 2}, {"content", "<wide>"}});
  });
  // Two that differ until they are normalized.
  refused("qwen2", "are both", [](Json& json) {
    json["added_tokens"].push_back(
        {{"id", json["model"]["vocab"].size() + 4}, {"content", "<\xe1\xbb\xb1>"}, {"normalized", true}});
  });
  for (const std::string bytes : {"", "[]", "{}", "3", "{\"model\":3}", "\xff"}) {
    const TemporaryFolder folder;
    write_file(folder / "tokenizer.json", bytes);
    CHECK(error_of([&] { Tokenizer tokenizer(folder.path()); }).find("tokenizer.json: ") !=
          std::string::npos);
  }
}

TEST_CASE("tokenizer_json: what changes no id is taken as it is") {
  CHECK(error_with("gpt2", [](Json& json) {
          json["truncation"] = {{"max_length", 3}};
          json["padding"] = {{"length", 8}};
          json["version"] = "2.0";
          json["model"].erase("type");  // old files
          json["model"]["dropout"] = 0.0;
          json["post_processor"] = nullptr;
        }) == "no error");
}

TEST_CASE(
    "tokenizer_json: beside a SentencePiece model that is read, beside a list of ranks tokenizer.json") {
  const TemporaryFolder folder;
  write_file(folder / "tokenizer.json", read_text_file(kGolden + "/gpt2/tokenizer.json"));
  write_file(folder / "tokenizer.model",
             read_text_file(SCCA_SOURCE_DIR "/tests/data/stories260K/tokenizer.model"));
  CHECK(error_of([&] {
          Tokenizer tokenizer(folder.path());
        }).find("but tokenizer.model has \"<unk>\" there") != std::string::npos);
  write_file(folder / "tokenizer.json", "{}");
  CHECK(Tokenizer(folder.path()).vocab_size() == 512);
  write_file(folder / "tokenizer.json", read_text_file(kGolden + "/gpt2/tokenizer.json"));
  write_file(folder / "tokenizer.model", "IQ== 0\nIg== 1\n");
  CHECK(Tokenizer(folder.path()).vocab_size() == 420);
  CHECK(Tokenizer(folder / "tokenizer.json").vocab_size() == 420);
  CHECK(error_of([&] { Tokenizer tokenizer(folder / "tokenizer.model"); }).find("tiktoken") !=
        std::string::npos);
  write_file(folder / "tokenizer.model", "garbage");
  CHECK(error_of([&] { Tokenizer tokenizer(folder.path()); }).find("no SentencePiece model") !=
        std::string::npos);
}
