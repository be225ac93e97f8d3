#include "models/tokenizer/long_word.h"

#include <doctest/doctest.h>
#include <sentencepiece_processor.h>

#include <limits>
#include <map>
#include <random>
#include <string>

#include "core/file.h"
#include "models/tokenizer/tokenizer.h"

using namespace scca;

namespace {

/// Byte-pair encoding as it is defined: the pair with the best score, of equal ones the left, until none is
/// left. A symbol's id is a number of its text.
struct Slow {
  std::map<std::string, int> scores;
  mutable int64_t encoded = 0;  // bytes

  std::vector<WordSymbol> operator()(std::string_view text) const {
    encoded += std::ssize(text);
    std::vector<std::string> symbols;
    for (const char c : text) symbols.emplace_back(1, c);
    for (;;) {
      size_t best = symbols.size();
      int score = std::numeric_limits<int>::min();
      for (size_t i = 0; i + 1 < symbols.size(); ++i)
        if (const auto found = scores.find(symbols[i] + symbols[i + 1]);
            found != scores.end() && found->second > score)
          best = i, score = found->second;
      if (best == symbols.size()) break;
      symbols[best] += symbols[best + 1];
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    std::vector<WordSymbol> result;
    for (const std::string& symbol : symbols) {
      int32_t id = 1;
      for (const char c : symbol) id = id * 4 + (c - 'a');
      result.push_back({symbol.size(), {id}});
    }
    return result;
  }
};

std::vector<int32_t> ids_of(const std::vector<WordSymbol>& symbols) {
  std::vector<int32_t> ids;
  for (const WordSymbol& symbol : symbols) ids.insert(ids.end(), symbol.ids.begin(), symbol.ids.end());
  return ids;
}

std::string random_word(std::mt19937& random, size_t length, uint32_t letters) {
  std::string word;
  while (word.size() < length) word += static_cast<char>('a' + random() % letters);
  return word;
}

}  // namespace

TEST_CASE("long word: window by window gives the ids of the whole, whatever the merges") {
  std::mt19937 random(3);
  for (int round = 0; round < 400; ++round) {
    Slow slow;
    const uint32_t letters = 1 + random() % 3, distinct = random() % 2 ? 1000 : 4;
    for (int i = 0; i < 24; ++i) {
      const std::string piece = random_word(random, 2 + random() % 7, letters);
      slow.scores.emplace(piece, -static_cast<int>(random() % distinct));
    }
    std::string word = random_word(random, 60 + random() % 200, letters);
    if (random() % 3 == 0) word += std::string(100, 'a') + random_word(random, 30, letters);
    CAPTURE(word);
    const std::vector<int32_t> whole = ids_of(slow(word));
    for (const size_t window : {9, 16, 40})
      CHECK(encode_long_word(
                word, [&](std::string_view text) { return slow(text); }, window) == whole);
  }
}

TEST_CASE("long word: merges that reach from end to end take a window as long as the word, and no more") {
  // "ab" first, but of a row that ends in "c" the pairs stand otherwise: the end decides the beginning.
  Slow slow{{{"bc", 9}, {"ab", 1}, {"aa", 5}, {"aab", 6}, {"aabb", 7}}};
  for (const size_t length : {50, 51, 400}) {
    const std::string word = std::string(length, 'a') + "bc";
    slow.encoded = 0;
    const std::vector<int32_t> whole = ids_of(slow(word));
    slow.encoded = 0;
    CHECK(encode_long_word(
              word, [&](std::string_view text) { return slow(text); }, 16) == whole);
    CHECK(slow.encoded < 12 * std::ssize(word));
  }
}

TEST_CASE("long word: characters of several bytes are not cut") {
  const auto characters = [](std::string_view text) {
    std::vector<WordSymbol> symbols;
    while (!text.empty()) {
      REQUIRE((static_cast<unsigned char>(text[0]) & 0xc0) != 0x80);
      const size_t bytes = text[0] == 'a' ? 1 : 4;
      REQUIRE(text.size() >= bytes);
      symbols.push_back({bytes, std::vector<int32_t>(bytes, text[0])});
      text.remove_prefix(bytes);
    }
    return symbols;
  };
  std::string word;
  std::mt19937 random(5);
  for (int i = 0; i < 200; ++i) word += random() % 2 ? "a" : "\xf0\x9f\x98\x80";
  for (const size_t window : {9, 10, 11, 12})
    CHECK(encode_long_word(word, characters, window) == ids_of(characters(word)));
}

TEST_CASE("long word: SentencePiece's own ids, of words of every kind") {
  const std::string model = SCCA_SOURCE_DIR "/train/demo/base/tokenizer.model";
  const Tokenizer tokenizer(model);
  sentencepiece::SentencePieceProcessor library;
  REQUIRE(library.Load(model).ok());
  std::mt19937 random(11);
  const std::string letters = random_word(random, 60000, 26), few = random_word(random, 60000, 4);
  std::string mixed;
  while (mixed.size() < 60000)
    mixed += std::vector<std::string>{"the", "ing", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80",
                                      "--",  "\t",  "\xc3\xa9",     "x"}[random() % 8];
  const std::string same(50000, 'a'), spaces(50000, ' '), lines = "\n" + same;
  const std::string marks = "a\xe2\x96\x81" + few;  // which is a space to it
  for (const std::string& text :
       {letters, few, mixed, same, spaces, lines, "b " + same + " c " + spaces + "d", "\n" + spaces, marks,
        " " + few + "\xff" + few, " \n" + few}) {
    CAPTURE(text.substr(0, 40));
    std::vector<int> ids;
    REQUIRE(library.Encode(text, &ids).ok());
    CHECK((tokenizer.encode(text) == ids));
  }
}
