#include "core/numbers.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace scca;

TEST_CASE("numbers: a whole number is digits and nothing else, within its bound") {
  CHECK(parse_whole("0", 9) == 0u);
  CHECK(parse_whole("007", 9) == 7u);
  CHECK(parse_whole("18446744073709551615", UINT64_MAX) == UINT64_MAX);
  for (const char* word : {"", " 1", "1 ", "+1", "-1", "1.0", "1e3", "0x10", "1k", "nan", "10",
                           "99999999999999999999", "18446744073709551616"})
    CHECK_MESSAGE(!parse_whole(word, 9), word);
  CHECK(!parse_whole("18446744073709551616", UINT64_MAX));  // one more than there is
}

TEST_CASE("numbers: k and m are 1024 and 1024^2 tokens, and what is no whole number is none") {
  constexpr int64_t most = int64_t{1} << 40;
  CHECK(parse_tokens("8192", most) == 8192);
  CHECK(parse_tokens("8k", most) == 8192);
  CHECK(parse_tokens("8K", most) == 8192);
  CHECK(parse_tokens("1.5k", most) == 1536);
  CHECK(parse_tokens("0.125k", most) == 128);
  CHECK(parse_tokens("1m", most) == 1048576);
  CHECK(parse_tokens("1.0009765625M", most) == std::nullopt);  // ten digits: more than anyone means
  CHECK(parse_tokens("2.5M", most) == 2621440);
  CHECK(parse_tokens("1048576m", most) == most);
  for (const char* word : {"",
                           "k",
                           ".5k",
                           "1.k",
                           "1.3k",
                           "1.5",
                           "8kb",
                           "8 k",
                           "-8k",
                           "+8k",
                           "8kk",
                           "8g",
                           "1e3k",
                           "0x8k",
                           "1.-5k",
                           "1048577m",
                           "9007199254740992k",
                           "9223372036854775807",
                           "9223372036854775808",
                           "99999999999999999999k",
                           "nan",
                           "inf"})
    CHECK_MESSAGE(!parse_tokens(word, most), word);
  CHECK(parse_tokens("1023.9990234375k", most) == std::nullopt);
  CHECK(parse_tokens("1.5k", 1536) == 1536);
  CHECK(!parse_tokens("1.5k", 1535));
}

TEST_CASE("numbers: a real number is finite and the whole word") {
  CHECK(parse_real("2e-5") == 2e-5);
  CHECK(parse_real("-3") == -3.0);
  CHECK(parse_real("0.1") == 0.1);
  for (const char* word : {"", "nan", "-nan", "inf", "-inf", "infinity", "1e400", "1e-400", "0.1x", " 1",
                           "1 ", "0x1p3", "1,5", "1/4"})
    CHECK_MESSAGE(!parse_real(word), word);
}

TEST_CASE("numbers: a product that 64 bits cannot hold is none") {
  constexpr int64_t largest = std::numeric_limits<int64_t>::max();
  CHECK(checked_product({}) == 1);
  CHECK(checked_product({largest}) == largest);
  CHECK(checked_product({3, 5, 7}) == 105);
  CHECK(checked_product({largest, largest, 0}) == 0);
  CHECK(checked_product({int64_t{1} << 31, int64_t{1} << 31}) == int64_t{1} << 62);
  CHECK(!checked_product({int64_t{1} << 31, int64_t{1} << 32}));
  CHECK(!checked_product({largest, 2}));
}
