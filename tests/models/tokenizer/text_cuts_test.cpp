#include "models/tokenizer/text_cuts.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <random>
#include <set>

#include "core/file.h"
#include "models/tokenizer/bpe_tokenizer.h"
#include "models/tokenizer/pre_tokenizers.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::TemporaryFolder;

namespace {

using Left = CutPlaces::Left;

const std::string kGolden = SCCA_SOURCE_DIR "/tests/golden/tokenizers/";
const std::string kDemo = SCCA_SOURCE_DIR "/train/demo/base/tokenizer.model";
// May not be redistributed: tested where they lie beside the checkout.
const std::string kBeside = SCCA_SOURCE_DIR "/../shared/data/tokenizers/";
const std::string kStories = SCCA_SOURCE_DIR "/tests/data/stories260K";

/// Words of several scripts, runs of spaces and newlines, contractions, numbers, marks that compose, spaces
/// of Unicode's, U+2581, bytes that are no UTF-8, and `more`.
std::string random_text(std::mt19937& random, const std::vector<std::string>& more) {
  static const std::vector<std::string> kParts = {" ",
                                                  " ",
                                                  " ",
                                                  "  ",
                                                  "     ",
                                                  "\n",
                                                  "\n",
                                                  "\n\n",
                                                  "\n\n\n",
                                                  "\t",
                                                  "\r\n",
                                                  "\r",
                                                  " \n",
                                                  "\n ",
                                                  "the",
                                                  "whale",
                                                  "Ishmael",
                                                  "a",
                                                  "it's",
                                                  "'S",
                                                  "'ll",
                                                  ".",
                                                  ",",
                                                  "...",
                                                  "!?",
                                                  "--",
                                                  "\"",
                                                  "$",
                                                  "<",
                                                  "1",
                                                  "18",
                                                  "1851",
                                                  "\u00e9",
                                                  "e\u0301",
                                                  "\u0915\u093c",
                                                  "\u0958",
                                                  "\ufb1d",
                                                  "\u2126",
                                                  "\u05d9",
                                                  "\u05b4",
                                                  "\u3002",
                                                  "\u4f60\u597d",
                                                  "\uac00",
                                                  "\u1100",
                                                  "\u1161",
                                                  "\u11a8",
                                                  "\u041c\u0438\u0440",
                                                  "\u0645\u0631",
                                                  "\u00a0",
                                                  "\u2003",
                                                  "\u0085",
                                                  "\u200b",
                                                  "\u200d",
                                                  "\u2581",
                                                  "\u2581\u2581",
                                                  "\u00b2",
                                                  "\u2163",
                                                  "\u017f",
                                                  "\U0001F600",
                                                  "_",
                                                  "x\ny",
                                                  " of",
                                                  "ing ",
                                                  "\xff",
                                                  "\xe2\x96"};
  std::string text;
  const uint32_t parts = 2 + random() % 24;
  for (uint32_t i = 0; i < parts; ++i)
    text +=
        !more.empty() && random() % 8 == 0 ? more[random() % more.size()] : kParts[random() % kParts.size()];
  return text;
}

/// Every place that any beginning of a random text names gives the ids of the whole; returns how many places
/// there were.
int check_cuts(const Tokenizer& tokenizer, const std::vector<std::string>& more, int rounds = 400) {
  std::mt19937 random(7);
  int places = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::string text = random_text(random, more);
    std::set<size_t> cuts;
    for (size_t size = 0; size <= text.size(); ++size) cuts.insert(tokenizer.last_cut(text.substr(0, size)));
    cuts.erase(0);
    places += static_cast<int>(cuts.size());
    const std::vector<int32_t> whole = tokenizer.encode(text);
    cuts.insert(text.size());
    std::vector<int32_t> all;
    size_t begin = 0;
    for (const size_t cut : cuts) {
      const std::string left = text.substr(0, cut), part = text.substr(begin, cut - begin);
      CAPTURE(text);
      CAPTURE(left);
      std::vector<int32_t> two = tokenizer.encode(left);
      if (cut < text.size()) {
        const std::vector<int32_t> behind = tokenizer.encode_further(text.substr(cut));
        two.insert(two.end(), behind.begin(), behind.end());
      }
      REQUIRE(two == whole);
      const std::vector<int32_t> ids = begin == 0 ? tokenizer.encode(part) : tokenizer.encode_further(part);
      all.insert(all.end(), ids.begin(), ids.end());
      begin = cut;
    }
    CAPTURE(text);
    REQUIRE(all == whole);  // in as many parts as there are
  }
  return places;
}

std::vector<std::string> tokens_of(const std::string& json) {
  std::vector<std::string> texts;
  for (const Json& token : parse_json(read_text_file(json), json)["added_tokens"])
    texts.push_back(token["content"].get<std::string>());
  return texts;
}

BpeAddedToken token(const std::string& text) {
  BpeAddedToken added;
  added.text = text;
  return added;
}

/// The golden vocabulary of this name, with tokens of all kinds added behind it.
BpeVocabulary with_tokens(const std::string& name, std::vector<BpeAddedToken> tokens) {
  BpeVocabulary vocabulary = read_tokenizer_json(kGolden + name + "/tokenizer.json");
  int32_t next = static_cast<int32_t>(BpeTokenizer(vocabulary, "test").vocab_size());
  for (BpeAddedToken& added : tokens) {
    added.id = next++;
    vocabulary.added.push_back(added);
  }
  return vocabulary;
}

Tokenizer tokenizer_of(const BpeVocabulary& vocabulary) {
  return Tokenizer(std::make_unique<BpeTokenizer>(vocabulary, "test"));
}

std::vector<BpeAddedToken> tokens_of_all_kinds() {
  std::vector<BpeAddedToken> tokens = {token("<l>"), token("<r>"), token("<w>"),  token("  "),   token(" of"),
                                       token("a\n"), token("e "),  token("\n\n"), token("x\ny"), token("17")};
  tokens[0].takes_space_before = true;
  tokens[1].takes_space_after = true;
  tokens[2].single_word = true;
  tokens[6].takes_space_after = true;
  return tokens;
}

std::vector<std::string> texts_of(const std::vector<BpeAddedToken>& tokens) {
  std::vector<std::string> texts;
  for (const BpeAddedToken& added : tokens) texts.push_back(added.text);
  return texts;
}

}  // namespace

TEST_CASE("text cuts: every committed tokenizer gives the ids of the whole, and most allow cuts") {
  for (const std::string name : {"smollm2", "llama3", "qwen2", "gpt2", "sentencepiece", "metaspace"}) {
    CAPTURE(name);
    CHECK(check_cuts(Tokenizer(kGolden + name), tokens_of(kGolden + name + "/tokenizer.json")) > 200);
  }
  CHECK(check_cuts(Tokenizer(kDemo), {"<s>", "</s>", "<unk>", "<0x0A>"}) > 200);
  CHECK(check_cuts(Tokenizer(kStories), {"<s>"}) == 0);  // it rewrites spaces
}

TEST_CASE("text cuts: LLaMA's and GPT-2's own tokenizers") {
  for (const std::string name : {"llama", "gpt2"}) {
    if (!std::filesystem::exists(kBeside + name)) {
      MESSAGE("skipped: no " << kBeside << name);
      continue;
    }
    CAPTURE(name);
    CHECK(check_cuts(Tokenizer(kBeside + name), {"<s>", "</s>", "<|endoftext|>"}, 4000) > 2000);
  }
}

TEST_CASE("text cuts: every pre-tokenizer that has a name") {
  for (const std::string& name : pre_tokenizer_names()) {
    CAPTURE(name);
    BpeVocabulary vocabulary = read_tokenizer_json(kGolden + "gpt2/tokenizer.json");
    set_pre_tokenizer(vocabulary, name, "test");
    CHECK(check_cuts(tokenizer_of(vocabulary), {"<|endoftext|>"}) > 200);
  }
}

TEST_CASE("text cuts: none touches an added token or white space that one takes along") {
  const std::vector<BpeAddedToken> tokens = tokens_of_all_kinds();
  for (const std::string name : {"smollm2", "llama3", "qwen2", "gpt2", "sentencepiece", "metaspace"}) {
    CAPTURE(name);
    CHECK(check_cuts(tokenizer_of(with_tokens(name, tokens)), texts_of(tokens)) > 100);
  }
}

TEST_CASE("text cuts: tokens of the normalized text that hold white space or look around allow none") {
  BpeAddedToken plain = token("<n>"), wide = token("<n> x"), taking = token("<n>"), alone = token("<n>");
  taking.takes_space_after = alone.single_word = true;
  for (BpeAddedToken* added : {&plain, &wide, &taking, &alone}) added->normalized = true;
  for (const std::string name : {"llama3", "qwen2", "gpt2", "sentencepiece"}) {
    CAPTURE(name);
    CHECK(check_cuts(tokenizer_of(with_tokens(name, {plain})), {"<n>", " <n>"}) > 200);
    for (const BpeAddedToken& added : {wide, taking, alone})
      CHECK(check_cuts(tokenizer_of(with_tokens(name, {added})), {"<n>", "<n> x"}, 50) == 0);
  }
  // Metaspace puts its mark in front of what follows such a token.
  BpeVocabulary always = with_tokens("metaspace", {plain});
  for (TextStep& step : always.pre_tokenizer) step.first_only = false;
  CHECK(check_cuts(tokenizer_of(always), {"<n>"}) == 0);
  always.added.pop_back();
  CHECK(check_cuts(tokenizer_of(always), {}) > 200);
}

TEST_CASE("text cuts: a text's beginning is not put in front of what follows a cut") {
  BpeVocabulary spaced = with_tokens("gpt2", {});
  spaced.pre_tokenizer.insert(spaced.pre_tokenizer.begin(),
                              {.kind = TextStep::Kind::prepend, .text = " ", .unless_there = true});
  CHECK(check_cuts(tokenizer_of(spaced), {"<|endoftext|>"}) > 200);
  // Behind a split it would be put before each word.
  std::swap(spaced.pre_tokenizer[0], spaced.pre_tokenizer[1]);
  CHECK(check_cuts(tokenizer_of(spaced), {}) == 0);
}

TEST_CASE("text cuts: rules that are not known allow none") {
  const BpeVocabulary gpt2 = with_tokens("gpt2", {});
  const auto places = [&](const std::vector<TextStep>& normalizer,
                          const std::vector<TextStep>& pre_tokenizer) {
    BpeVocabulary other = gpt2;
    other.normalizer = normalizer;
    other.pre_tokenizer = pre_tokenizer;
    return cut_places(other, false, {});
  };
  const CutPlaces known{Left::visible, Left::visible}, none;
  CHECK(places({}, {gpt2_words()}) == known);
  CHECK(places({}, {digits(true), gpt2_words(), {.pattern = {"x"}}}) == known);  // after the words
  CHECK(places({}, {{.pattern = {"x"}}, gpt2_words()}) == none);
  CHECK(places({}, {}) == none);
  CHECK(places({}, {digits(true)}) == none);
  TextStep inverted = gpt2_words();
  inverted.invert = true;
  CHECK(places({}, {inverted}) == none);
  const TextStep other{.kind = TextStep::Kind::replace, .pattern = {"a"}, .text = "b"};
  CHECK(places({other}, {gpt2_words()}) == none);
  CHECK(places({}, {other, gpt2_words()}) == none);
  CHECK(places({{.kind = TextStep::Kind::nfc}}, {gpt2_words()}).composes);
}

TEST_CASE("text cuts: of SentencePiece with added tokens, whatever stands behind them") {
  for (const std::string legacy : {"true", "false"}) {
    const TemporaryFolder folder;
    write_file(folder / "tokenizer.model", read_text_file(kDemo));
    write_file(folder / "tokenizer_config.json",
               R"({"added_tokens_decoder":{"4096":{"content":"<pad>","special":true},)"
               R"("4097":{"content":"<|im|>","lstrip":true,"rstrip":true},"4098":{"content":"a b"},)"
               R"("4099":{"content":"  "}},"legacy":)" +
                   legacy + "}");
    CHECK(check_cuts(Tokenizer(folder.path()), {"<pad>", "<|im|>", "<|im|> ", " <|im|>", "a b"}) > 200);
  }
}

TEST_CASE("text cuts: the last place is named, and found behind much text without one") {
  const TextCuts cuts({Left::visible, Left::visible}, {});
  CHECK(TextCuts().last("one two three ") == 0);
  CHECK(cuts.last("one two three") == 7);
  CHECK(cuts.last("one two th") == 3);  // a character at the place must be seen whole
  CHECK(cuts.last("one") == 0);
  CHECK(cuts.last("") == 0);
  CHECK(cuts.last("one " + std::string(1 << 20, ' ')) == 3);
  CHECK(cuts.last("one " + std::string(1 << 20, 'x')) == 3);
}

TEST_CASE("text cuts: of a text that is normalized only beside what form C leaves alone") {
  const CutPlaces letters{Left::letters, Left::letters, true};
  CutPlaces composing = letters;
  composing.composes = true;
  // U+FB1D becomes a letter and a mark, which as a sign takes the newline along.
  for (const std::string text : {"\ufb1d\nx...", "\u0958 x...", "\u1100\n...."}) {
    CAPTURE(text);
    CHECK(TextCuts(letters, {}).last(text) > 0);
    CHECK(TextCuts(composing, {}).last(text) == (text.substr(0, 2) == "\xef\xac" ? 4 : 0));
  }
  CHECK(TextCuts(letters, {}).last("\n\u1161....") == 1);
  CHECK(TextCuts(composing, {}).last("\n\u1161....") == 0);
  CHECK(TextCuts(composing, {}).last("\u00e9 ....") == 2);
  CHECK(TextCuts(composing, {}).last("\u4f60\n....") == 3);
}
