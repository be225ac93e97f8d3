#include "models/tokenizer/bpe.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <unordered_map>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

/// Letters a to d and random merges of what is there, all of them pieces.
BpeVocabulary random_vocabulary(std::mt19937& random) {
  BpeVocabulary vocabulary;
  vocabulary.pieces = {"a", "b", "c", "d"};
  vocabulary.byte_level = false;
  while (vocabulary.merges.size() < 40) {
    const auto pick = [&] { return vocabulary.pieces[random() % vocabulary.pieces.size()]; };
    const std::pair<std::string, std::string> merge{pick(), pick()};
    if (std::ranges::find(vocabulary.merges, merge) != vocabulary.merges.end()) continue;
    vocabulary.merges.push_back(merge);
    const std::string made = merge.first + merge.second;
    if (std::ranges::find(vocabulary.pieces, made) == vocabulary.pieces.end())
      vocabulary.pieces.push_back(made);
  }
  std::ranges::shuffle(vocabulary.merges, random);
  return vocabulary;
}

/// The definition: the earliest merge that is possible anywhere, at its leftmost place, until there is none.
std::vector<int32_t> by_definition(const BpeVocabulary& vocabulary, const std::string& word) {
  std::vector<std::string> symbols;
  for (const char c : word) symbols.emplace_back(1, c);
  for (bool merged = true; merged;) {
    merged = false;
    for (const auto& [left, right] : vocabulary.merges) {
      for (size_t i = 0; i + 1 < symbols.size() && !merged; ++i) {
        if (symbols[i] != left || symbols[i + 1] != right) continue;
        symbols[i] += right;
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        merged = true;
      }
      if (merged) break;
    }
  }
  std::vector<int32_t> ids;
  for (const std::string& symbol : symbols)
    ids.push_back(
        static_cast<int32_t>(std::ranges::find(vocabulary.pieces, symbol) - vocabulary.pieces.begin()));
  return ids;
}

std::string random_word(std::mt19937& random, size_t length) {
  std::string word;
  while (word.size() < length) word += static_cast<char>('a' + random() % 4);
  return word;
}

std::vector<int32_t> ids_of(const Bpe& bpe, const std::string& word) {
  std::vector<int32_t> ids;
  bpe.encode(word, ids);
  return ids;
}

}  // namespace

TEST_CASE("bpe: short and long words are merged as the definition says") {
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    const BpeVocabulary vocabulary = random_vocabulary(random);
    const Bpe bpe(vocabulary, "test");
    for (const size_t length : {0, 1, 2, 3, 9, 31, 63, 64, 65, 66, 129, 300}) {
      const std::string word = random_word(random, length);
      CAPTURE(word);
      CHECK(ids_of(bpe, word) == by_definition(vocabulary, word));
    }
    CHECK(ids_of(bpe, std::string(200, 'a')) == by_definition(vocabulary, std::string(200, 'a')));
  }
}

TEST_CASE("bpe: a long word of bytes comes out by windows as it does whole") {
  std::mt19937 random(8);
  constexpr size_t kWhole = size_t{1} << 20;
  for (int round = 0; round < 100; ++round) {
    BpeVocabulary vocabulary = random_vocabulary(random);
    vocabulary.byte_level = true;
    vocabulary.ignore_merges = round % 2 == 0;
    std::vector<std::string> pieces = vocabulary.pieces;
    for (char32_t letter = 0; letter < 0x144; ++letter)
      if (byte_of_gpt2(letter) >= 0 && (letter < 'a' || letter > 'd'))
        pieces.push_back(letter < 0x80 ? std::string(1, static_cast<char>(letter))
                                       : std::string{static_cast<char>(0xc0 | letter >> 6),
                                                     static_cast<char>(0x80 | (letter & 0x3f))});
    vocabulary.pieces = pieces;
    const Bpe bpe(vocabulary, "test");
    for (const std::string& word : {random_word(random, 300), std::string(201, 'a'),
                                    random_word(random, 40) + "\xc3\xa9" + random_word(random, 90)}) {
      CAPTURE(word);
      std::vector<int32_t> by_windows, whole;
      bpe.encode(word, by_windows, 40);
      bpe.encode(word, whole, kWhole);
      CHECK(by_windows == whole);
    }
    // A byte without a piece gives no id: then a word is encoded whole, whatever the window.
    std::ranges::replace(vocabulary.pieces, "e", "zz");
    std::vector<int32_t> ids;
    Bpe(vocabulary, "test").encode(std::string(150, 'a') + "e" + std::string(150, 'a'), ids, 40);
    CHECK(ids == ids_of(Bpe(vocabulary, "test"), std::string(300, 'a')));
  }
}

TEST_CASE("bpe: a long word costs a few look-ups for each of its characters") {
  std::mt19937 random(6);
  const BpeVocabulary vocabulary = random_vocabulary(random);
  const Bpe bpe(vocabulary, "test");
  for (const size_t length : {size_t{1} << 16, size_t{1} << 20}) {
    std::vector<int32_t> ids;
    // At most one when a pair comes to be and one when it is taken up; each merge makes two pairs.
    CHECK(bpe.encode(random_word(random, length), ids) < 6 * static_cast<int64_t>(length));
    CHECK(bpe.encode(std::string(length, 'a'), ids) < 6 * static_cast<int64_t>(length));
  }
}

TEST_CASE("bpe: characters without a piece") {
  BpeVocabulary vocabulary{.pieces = {"a", "?", "<0xC3>", "<0xA9>", "<0xa9>", "a?"}, .byte_level = false};
  const std::string accent = "\xc3\xa9", euro = "\xe2\x82\xac";
  CHECK(ids_of(Bpe(vocabulary, "test"), "a" + accent + euro) == std::vector<int32_t>{0});  // no id at all
  vocabulary.byte_fallback = true;
  CHECK(ids_of(Bpe(vocabulary, "test"), accent + "a") == std::vector<int32_t>{2, 3, 0});
  CHECK(ids_of(Bpe(vocabulary, "test"), euro) == std::vector<int32_t>{});  // not all of its bytes are there
  CHECK(Bpe(vocabulary, "test").is_byte(2));
  CHECK(!Bpe(vocabulary, "test").is_byte(4));
  vocabulary.unknown = 1;
  CHECK(ids_of(Bpe(vocabulary, "test"), euro + euro + "a") == std::vector<int32_t>{1, 1, 0});
  vocabulary.fuse_unknown = true;
  CHECK(ids_of(Bpe(vocabulary, "test"), euro + euro + "a" + euro) == std::vector<int32_t>{1, 0, 1});
  vocabulary.unknown = 6;
  CHECK(error_of([&] { Bpe bpe(vocabulary, "file"); }).find("the unknown token is id 6") !=
        std::string::npos);
}

TEST_CASE("bpe: GPT-2's alphabet has a letter for every byte") {
  std::vector<bool> seen(256);
  for (char32_t c = 0; c < 0x200; ++c)
    if (const int byte = byte_of_gpt2(c); byte >= 0) seen[static_cast<size_t>(byte)] = true;
  CHECK(std::ranges::count(seen, true) == 256);
  CHECK(byte_of_gpt2(0x120) == ' ');
  CHECK(byte_of_gpt2(0x10a) == '\n');
  CHECK(byte_of_gpt2('!') == '!');
  CHECK(byte_of_gpt2(0x143) == 0xad);
  CHECK(byte_of_gpt2(0x144) == -1);
  CHECK(byte_of_gpt2(' ') == -1);
}

TEST_CASE("bpe: the table of numbers holds what is put into it") {
  NumberMap map;
  std::unordered_map<uint64_t, uint64_t> expected;
  std::mt19937_64 random(9);
  for (int i = 0; i < 5000; ++i) {
    const uint64_t key = random() % 4000 << (random() % 2 * 32);
    CHECK(map.insert(key, static_cast<uint64_t>(i)) == expected.emplace(key, i).second);
  }
  CHECK(map.size() == expected.size());
  for (const auto& [key, value] : expected) CHECK(map.find(key) == value);
  CHECK(map.find(1u << 20) == NumberMap::kNone);
  CHECK(NumberMap().find(0) == NumberMap::kNone);
  CHECK(error_of([&] { map.insert(1, NumberMap::kNone); }).find("cannot be a value") != std::string::npos);
}
