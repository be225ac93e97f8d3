#include "train/data/data.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/check.h"
#include "core/file.h"
#include "tests/temporary_folder.h"
#include "train/data/documents.h"

using namespace scca;
using test::error_of;
using test::TemporaryFolder;

namespace {

/// A byte an id, from 10 on.
std::vector<int32_t> bytes_of(std::string_view text) {
  std::vector<int32_t> ids;
  for (char c : text) ids.push_back(10 + static_cast<unsigned char>(c));
  return ids;
}

constexpr int32_t kEos = 2;

std::string joined_text(const std::vector<int32_t>& tokens) {
  std::string text;
  for (int32_t id : tokens) text += id == kEos ? '|' : static_cast<char>(id - 10);
  return text;
}

std::string tokenized(const std::vector<std::string>& paths) {
  return joined_text(tokenize_data(paths, bytes_of, kEos));
}

std::vector<int32_t> counting(int64_t count) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("data: files, folders and JSONL become documents in order, EOS after each") {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "books/deep");
  write_file(folder / "books/b.txt", "bee");
  write_file(folder / "books/a.txt",
             "\xEF\xBB\xBF"
             "ay");  // with a byte-order mark
  write_file(folder / "books/notes.pdf", "not read");
  write_file(folder / "books/deep/c.jsonl",
             "{\"text\": \"one\", \"meta\": {}}\n\n{\"text\": \"\"}\n{\"text\":\"two\\n\"}");
  write_file(folder / "z.md", "zed");  // a file named by itself may be called anything
  const std::string books = folder / "books", z = folder / "z.md";
  CHECK(tokenized({books}) == "ay|bee|one|two\n|");
  CHECK(tokenized({z, books}) == "zed|ay|bee|one|two\n|");
}

TEST_CASE("data: many documents keep their order through the parallel tokeniser") {
  TemporaryFolder folder;
  std::string lines, expected;
  for (int i = 0; i < 3000; ++i) {  // some 6 MB: more than one batch
    const std::string text = std::to_string(i) + std::string(static_cast<size_t>(i % 4000), 'x');
    lines += "{\"text\":\"" + text + "\"}\n";
    expected += text + "|";
  }
  write_file(folder / "d.jsonl", lines);
  CHECK(tokenized({folder / "d.jsonl"}) == expected);
}

TEST_CASE("data: what cannot be read is one line with the file and the place") {
  TemporaryFolder folder;
  const auto error_with = [&](const std::string& name, const std::string& content) {
    write_file(folder / name, content);
    return error_of([&] { tokenized({folder / name}); });
  };
  CHECK(contains(error_with("bad.jsonl", "{\"text\":\"a\"}\n{\"text\":\n"),
                 "bad.jsonl:2: the object does not end on this line"));
  CHECK(contains(error_with("none.jsonl", "{\"text\":\"a\"}\n\n{\"body\":\"b\"}\n"),
                 "none.jsonl:3: has no \"text\" field, but \"body\"; put the texts there: jq -c"));
  CHECK(contains(error_with("list.jsonl", "[1]\n"), "list.jsonl:1: as JSON: column 1: expected an object"));
  CHECK(contains(error_with("number.jsonl", "{\"text\": 7}\n"),
                 "number.jsonl:1: \"text\" is 7, expected a string"));
  CHECK(contains(error_with("latin.txt", "caf\xE9 noir"), "latin.txt: is not UTF-8 at byte 3"));
  CHECK(contains(error_with("empty.txt", ""), "data: there is no text in "));
  CHECK(contains(error_with("empty.jsonl", "{\"text\":\"\"}\n"), "data: there is no text in "));
  CHECK(contains(error_of([&] { tokenized({folder / "absent.txt"}); }), "absent.txt: there is no such file"));
  std::filesystem::create_directories(folder / "bare");
  CHECK(contains(error_of([&] { tokenized({folder / "bare"}); }),
                 "this folder holds no text; expected .txt, .text, .md, "
                 ".jsonl, .ndjson, and .json with texts, found nothing"));
}

TEST_CASE("data: JSON is known by its content, whatever the file is called") {
  TemporaryFolder folder;
  const auto read = [&](const std::string& name, const std::string& content) {
    write_file(folder / name, content);
    return tokenized({folder / name});
  };
  const std::string lines =
      "{\"text\": \"one\", \"n\": NaN}\r\n\r\n{\"id\": 1, \"id\": 2, \"text\": \"two\"}";
  for (const char* name : {"a", "a.JSONL", "a.json", "a.txt", "a.ndjson", "a.gz"}) {
    CAPTURE(name);
    CHECK(read(name, lines) == "one|two|");
    CHECK(read(name, "\xEF\xBB\xBF" + lines) == "one|two|");
    CHECK(read(name, "[{\"text\": \"one\"},\n {\"text\": \"two\"}]") == "one|two|");
    CHECK(read(name, " [\"one\", \"two\"]\n") == "one|two|");
  }
  CHECK(read("prose", "{{Infobox}}\n") == "{{Infobox}}\n|");
  CHECK(read("prose", "[Illustration: \"a\"]\n") == "[Illustration: \"a\"]\n|");
}

TEST_CASE("data: JSON without texts is refused with the names of its fields") {
  TemporaryFolder folder;
  const auto error = [&](const std::string& name, const std::string& content) {
    write_file(folder / name, content);
    const std::string message = error_of([&] { tokenized({folder / name}); });
    const std::string path = folder / name;
    return message.starts_with(path) ? message.substr(path.size()) : message;
  };
  const std::string put_there =
      "; put the texts there: jq -c '{text: .NAME}' FILE > OUT.jsonl (of an array: '.[] | {text: .NAME}')";
  CHECK(error("long.json", R"([{"instruction":"a","input":"","output":"b"}])") ==
        R"(: record 1: has no "text" field, but "instruction", "input", "output")" + put_there);
  CHECK(error("a", R"({"prompt":"a"})") == R"(:1: has no "text" field, but "prompt")" + put_there);
  CHECK(error("twice.jsonl", R"({"text":"a","text":"b"})") == ":1: the key \"text\" comes twice");
  CHECK(error("nul.jsonl", R"({"text":"a\u0000"})") ==
        ":1: \"text\" holds a NUL character, at byte 1; it is no text");
  CHECK(error("pretty.json", "{\n  \"text\": \"a\"\n}\n") ==
        ":1: the object does not end on this line, as JSONL's records do; write it so (jq -c . FILE > "
        "OUT.jsonl), or is the file cut short?");
  CHECK(
      contains(error("cut.json", R"([{"text":"a"},{"text":"b)"), "expected a string that ends on its line"));
  CHECK(contains(error("python", "{'text': 'a'}"), "expected a field's name in double quotes"));
  CHECK(contains(error("mixed.json", R"(["a",7])"),
                 ": record 2: as JSON: column 1: expected an object, found \"7\""));
}

TEST_CASE("data: line ends become LF and marks go, in texts and in JSONL's") {
  TemporaryFolder folder;
  write_file(folder / "a.txt", "\xEF\xBB\xBFone\r\ntwo\rthree\n");
  write_file(folder / "b.jsonl", R"({"text":"\ufefffour\r\nfive"})");
  const std::string expected = "one\ntwo\nthree\n|four\nfive|", a = folder / "a.txt", b = folder / "b.jsonl";
  CHECK(tokenized({a, b}) == expected);
  CHECK(test::error_of([&] { tokenize_data({a}, bytes_of, -1); }).find("name its eos_token") !=
        std::string::npos);
  CHECK(joined_text(tokenize_data({a, b}, bytes_of, kEos, "--data", true)) ==
        "one\r\ntwo\rthree\n|four\r\nfive|");
}

TEST_CASE("data: where a text stops being UTF-8") {
  for (const char* good : {"", "plain", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBF"})
    CHECK(first_invalid_utf8(good) == std::string::npos);
  struct Case {
    const char* text;
    size_t at;
  };
  for (const Case& c :
       {Case{"a\x80", 1}, Case{"\xC3", 0}, Case{"ab\xC3(", 2}, Case{"\xC0\x80", 0}, Case{"\xE0\x80\x80", 0},
        Case{"\xED\xA0\x80", 0}, Case{"\xF4\x90\x80\x80", 0}, Case{"\xF0\x8F\xBF\xBF", 0}, Case{"\xFF", 0}}) {
    CAPTURE(c.text);
    CHECK(first_invalid_utf8(c.text) == c.at);
  }
}

TEST_CASE("data: rows are consecutive, the short tail is dropped") {
  const TokenRows rows(counting(31), 7);
  CHECK(rows.rows() == 4);
  const Tensor ids = rows.in_order(1, 2);
  CHECK(ids.shape() == Shape{2, 7});
  const std::vector<int32_t> values = ids.to_vector<int32_t>();
  for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == static_cast<int32_t>(i) + 7);
  CHECK_NOTHROW(TokenRows(counting(7), 7));
  CHECK(error_of([] { TokenRows(counting(6), 7); }) ==
        "data: holds 6 tokens, but one row takes 7 (context); give more text or a shorter context");
}

TEST_CASE("data: every epoch has each row once, in an order of its own") {
  constexpr int64_t kRows = 129;
  RowOrder order(5, kRows);
  std::set<std::vector<int64_t>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < kRows; ++i) rows.push_back(order(epoch * kRows + i));
    epochs.insert(rows);
    std::sort(rows.begin(), rows.end());
    for (int64_t i = 0; i < kRows; ++i) REQUIRE(rows[static_cast<size_t>(i)] == i);
  }
  CHECK(epochs.size() == 3);
  RowOrder other(6, kRows);
  int64_t same = 0;
  for (int64_t i = 0; i < kRows; ++i) same += order(i) == other(i);
  CHECK(same < 10);  // one is expected of two random orders; P(10 or more) < 1e-6
}

TEST_CASE("data: a batch follows from its position alone, across epochs too") {
  const TokenRows rows(counting(5 * 3), 3);
  RowOrder walked(1, rows.rows());
  for (int64_t first = 0; first < 16; first += 2) {
    const std::vector<int32_t> expected = rows.batch(walked, first, 2).to_vector<int32_t>();
    RowOrder fresh(1, rows.rows());  // as after a resume
    CHECK(rows.batch(fresh, first, 2).to_vector<int32_t>() == expected);
  }
}

TEST_CASE("data: the shuffle is fair") {
  // 4 rows, 6000 epochs: each row leads 1500 times, with a standard deviation of sqrt(6000 * 3/16) = 33.5.
  RowOrder order(9, 4);
  std::vector<int> first(4, 0);
  for (int64_t epoch = 0; epoch < 6000; ++epoch) ++first[static_cast<size_t>(order(epoch * 4))];
  for (int count : first) CHECK(std::abs(count - 1500) < 168);  // five deviations
}

TEST_CASE("data: the fingerprint tells data and contexts apart") {
  std::vector<int32_t> tokens = counting(100);
  const uint64_t same = TokenRows(tokens, 10).fingerprint();
  CHECK(TokenRows(counting(100), 10).fingerprint() == same);
  CHECK(TokenRows(counting(100), 20).fingerprint() != same);
  CHECK(TokenRows(counting(99), 10).fingerprint() != same);
  std::swap(tokens[3], tokens[50]);
  CHECK(TokenRows(tokens, 10).fingerprint() != same);
}
