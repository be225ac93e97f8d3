#include "train/data/token_cache.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>

#include "tests/run_scca.h"
#include "train/data/data.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::vector<EncodedDocument> kSample = {
    {{1, 2, 3}, {false, true, false}}, {{4, 5}}, {.ids = {6, 7}, .begins = false}};

TokenText sample() {
  TokenText text;
  for (const EncodedDocument& document : kSample) text.append(document);
  return text;
}

void keep(const TokenCache& cache, const std::string& key,
          const std::vector<EncodedDocument>& documents = kSample) {
  const auto writer = cache.writer(key);
  if (!writer) return;
  for (const EncodedDocument& document : documents) writer->append(document);
  CHECK(!std::filesystem::exists(cache.file_of(key)));
  writer->commit();
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
  keep(cache, "a");
  keep(cache, "empty", {});
  const std::optional<TokenText> found = cache.find("a");
  REQUIRE(found);
  CHECK(found->first(0) == sample().first(0));
  CHECK(found->starts == sample().starts);
  CHECK(found->given == sample().given);
  REQUIRE(cache.find("empty"));
  CHECK(cache.find("empty")->tokens() == 0);
  CHECK(cache.written("a").first(0) == sample().first(0));
  CHECK(cache.written("a").starts == std::vector<int64_t>{0, 3});
  CHECK(cache.written("a").given == sample().given);
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
  keep(cache, "a key");
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

TEST_CASE("token cache: more ids than are written at once") {
  Place place;
  std::vector<EncodedDocument> documents(3);
  std::vector<int32_t> all;
  for (size_t i = 0; i < documents.size(); ++i)
    for (int32_t id = 0; id < 700001; ++id) documents[i].ids.push_back(id * 7 + static_cast<int32_t>(i));
  for (const EncodedDocument& document : documents)
    all.insert(all.end(), document.ids.begin(), document.ids.end());
  keep(place.cache(), "a", documents);
  const std::optional<TokenText> found = place.cache().find("a");
  REQUIRE(found);
  CHECK(found->first(0) == all);
  CHECK(found->starts == std::vector<int64_t>{0, 700001, 1400002});
}

// A limit on the file size fails a write half way, as a full disk does.
TEST_CASE("token cache: a text whose tokens cannot be written half way is tokenised all the same") {
  Place place;
  std::string text;
  for (int i = 0; i < 400000; ++i) text += "0123456789"[i % 7];
  write_file(place.folder / "a.txt", text);
  int calls = 0;
  const auto encode = [&](const Document& document) {
    ++calls;
    EncodedDocument encoded{std::vector<int32_t>(document.text.begin(), document.text.end())};
    encoded.begins = document.begins;
    return encoded;
  };
  const auto cut = [](std::string_view part) { return part.size() / 2; };
  const ReadingOptions options{.cut = cut,
                               .part_bytes = 70000,
                               .token_cache = place.folder / "kept",
                               .encoding = "bytes",
                               .least_kept = 1};
  rlimit before;
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 100000;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const TokenText made = tokenize_data({place.folder / "a.txt"}, encode, options);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  CHECK(made.first(0) == std::vector<int32_t>(text.begin(), text.end()));
  CHECK(made.starts == std::vector<int64_t>{0});
  CHECK(std::filesystem::is_empty(place.folder / "kept"));
  const int once = calls / 2;
  CHECK(once > 5);
  // With room on the disk it is kept, and read from there.
  CHECK(tokenize_data({place.folder / "a.txt"}, encode, options).first(0) == made.first(0));
  CHECK(calls == 3 * once);
  CHECK(tokenize_data({place.folder / "a.txt"}, encode, options).first(0) == made.first(0));
  CHECK(calls == 3 * once);
}

TEST_CASE("token cache: where it cannot be written, that is said and no error") {
  Place place;
  write_file(place.folder / "kept", "a file");
  CHECK(!place.cache().writer("a"));
  CHECK(place.notes.starts_with("the tokens are not kept: "));
  CHECK(!TokenCache("", {}).find("a"));
  CHECK(!TokenCache("", {}).writer("a"));
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
