#include "train/data/token_cache.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;

namespace {

TokenText sample() {
  TokenText text;
  text.append({{1, 2, 3}, {false, true, false}});
  text.append({{4, 5, 6, 7}});
  return text;
}

struct Place {
  TokenCache cache() {
    return TokenCache(folder / "kept", [this](const std::string& line) { notes += line + "\n"; });
  }
  TemporaryFolder folder;
  std::string notes;
};

}  // namespace

TEST_CASE("token cache: what is kept comes back whole, under its key alone") {
  Place place;
  const TokenCache cache = place.cache();
  CHECK(!cache.find("a"));
  cache.keep("a", sample());
  cache.keep("empty", TokenText());
  const std::optional<TokenText> found = cache.find("a");
  REQUIRE(found);
  CHECK(found->first(0) == sample().first(0));
  CHECK(found->starts == sample().starts);
  CHECK(found->given == sample().given);
  REQUIRE(cache.find("empty"));
  CHECK(cache.find("empty")->tokens() == 0);
  CHECK(!cache.find("b"));
  // Others stand behind it as behind any text, and it stays as it is.
  TokenText longer = *found;
  longer.append({{8}});
  longer.append_text(sample());
  CHECK(longer.tokens() == 15);
  CHECK(found->tokens() == 7);
  // A file under another key's name is not that key's.
  std::filesystem::copy_file(cache.file_of("a"), cache.file_of("c"));
  CHECK(!cache.find("c"));
  CHECK(place.notes.empty());
}

TEST_CASE("token cache: damage anywhere is noticed, said, and removed") {
  Place place;
  const TokenCache cache = place.cache();
  cache.keep("a key", sample());
  const std::string file = cache.file_of("a key"), whole = read_text_file(file);
  int noticed = 0, parts = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    write_file(file, damaged);
    ++parts;
    if (!cache.find("a key"))
      ++noticed;
    else
      CHECK(damaged[at] == 0x40);  // what fills up to eight bytes
  }
  CHECK(parts - noticed <= 3 + 4);
  for (const size_t size : {size_t{0}, size_t{7}, whole.size() / 2, whole.size() - 1}) {
    write_file(file, whole.substr(0, size));
    place.notes.clear();
    CHECK(!cache.find("a key"));
    CHECK(place.notes == file + " is damaged; the tokens are made again\n");
    CHECK(!std::filesystem::exists(file));
  }
  write_file(file, whole + "        ");
  CHECK(!cache.find("a key"));
}

TEST_CASE("token cache: where it cannot be written, that is said and no error") {
  Place place;
  write_file(place.folder / "kept", "a file");
  place.cache().keep("a", sample());
  CHECK(place.notes.starts_with("the tokens are not kept: "));
  CHECK(!TokenCache("", {}).find("a"));
  TokenCache("", {}).keep("a", sample());
}

TEST_CASE("token cache: its key has the files' places, sizes and times, and its folder follows the setting") {
  const TemporaryFolder folder;
  write_file(folder / "a", "1");
  write_file(folder / "b", "1");
  const auto key = [&](const char* name) { return token_cache_key({folder / name}, "how"); };
  const std::string before = key("a");
  CHECK(key("a") == before);
  CHECK(key("b") != before);
  CHECK(token_cache_key({folder / "a"}, "otherwise") != before);
  std::filesystem::last_write_time(
      folder / "a", std::filesystem::last_write_time(folder / "a") + std::chrono::nanoseconds(1000));
  CHECK(key("a") != before);
  CHECK(token_cache_folder("off").empty());
  CHECK(token_cache_folder("x/y") == "x/y");
  CHECK(token_cache_folder("auto").string().ends_with("/scca/tokens"));
}

TEST_CASE("token cache: the program reads a large text once") {
  const TemporaryFolder folder;
  std::string text;
  while (text.size() < (size_t{17} << 20)) text += "Tim had a red ball and gave it to Lily, who was happy.\n";
  write_file(folder / "long.txt", text);
  const auto evaluate = [&](const std::string& cache) {
    return run_scca({"eval", "--model", SCCA_SOURCE_DIR "/tests/data/stories260K", "--data",
                     folder / "long.txt", "--context", "64", "--max-tokens", "128", "--token-cache", cache,
                     "--json"});
  };
  const std::string cache = folder / "cache";
  const RunResult first = evaluate(cache), second = evaluate(cache), none = evaluate("off");
  CHECK(first.json() == none.json());
  CHECK(second.json() == first.json());
  CHECK(first.err.find("tokens from") == std::string::npos);
  CHECK(second.err.find("tokens from " + cache) != std::string::npos);
  CHECK(none.err.find("tokens from") == std::string::npos);
}
