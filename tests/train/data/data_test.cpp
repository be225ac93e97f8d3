#include "train/data/data.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/file.h"
#include "models/llama.h"
#include "tests/temporary_folder.h"
#include "train/data/documents.h"
#include "train/data/file_kind.h"

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

/// A text's bytes with EOS behind; of other documents the answer alone is learned.
EncodedDocument encoded(const Document& document) {
  EncodedDocument result{bytes_of(document.text + document.prompt)};
  if (!document.completion.empty()) {
    result.learned.assign(result.ids.size(), false);
    for (const int32_t id : bytes_of(document.completion)) result.ids.push_back(id);
    result.learned.resize(result.ids.size() + 1, true);
  }
  result.ids.push_back(kEos);
  return result;
}

std::string tokenized(const std::vector<std::string>& paths, const ReadingOptions& options = {}) {
  return joined_text(tokenize_data(paths, encoded, options).first(0));
}

TokenText counting(int64_t count) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  return TokenText(ids);
}

std::vector<int32_t> numbers(const Tensor& ids) { return ids.to_vector<int32_t>(); }

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
                 "none.jsonl:3: has no \"text\" field, but \"body\"; name the one that holds the text with"));
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
      "; name the one that holds the text with text_field, or write messages, prompt and completion, or "
      "instruction and output";
  CHECK(error("long.json", R"([{"instruction":"a","input":"","result":"b"}])") ==
        R"(: record 1: has no "text" field, but "instruction", "input", "result")" + put_there);
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
  CHECK(tokenized({a, b}, {.keep_line_ends = true}) == "one\r\ntwo\rthree\n|four\r\nfive|");
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
  const RowBatch batch = rows.in_order(1, 2);
  CHECK(batch.ids.shape() == Shape{2, 7});
  CHECK(batch.predictions == 12);
  CHECK(!batch.documents);
  CHECK(numbers(batch.targets) == numbers(next_tokens(batch.ids)));
  const std::vector<int32_t> values = numbers(batch.ids);
  for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == static_cast<int32_t>(i) + 7);
  CHECK_NOTHROW(TokenRows(counting(7), 7));
  CHECK(error_of([] { TokenRows(counting(6), 7); }) ==
        "data: holds 6 tokens, but one row takes 7 (context); give more text or a shorter context");
}

TEST_CASE("data: a batch follows from its position alone, across epochs too") {
  const TokenRows rows(counting(5 * 3), 3);
  RowOrder walked(1, rows.rows());
  for (int64_t first = 0; first < 16; first += 2) {
    const std::vector<int32_t> expected = numbers(rows.batch(walked.rows(first, 2)).ids);
    RowOrder fresh(1, rows.rows());  // as after a resume
    CHECK(numbers(rows.batch(fresh.rows(first, 2)).ids) == expected);
  }
}

TEST_CASE("data: the fingerprint tells data and contexts apart") {
  TokenText tokens = counting(100);
  const uint64_t same = TokenRows(tokens, 10).fingerprint();
  CHECK(TokenRows(counting(100), 10).fingerprint() == same);
  CHECK(TokenRows(counting(100), 20).fingerprint() != same);
  CHECK(TokenRows(counting(99), 10).fingerprint() != same);
  std::vector<int32_t> swapped = tokens.first(0);
  std::swap(swapped[3], swapped[50]);
  CHECK(TokenRows(TokenText(swapped), 10).fingerprint() != same);
  tokens.given = {{3, 4}};
  CHECK(TokenRows(tokens, 10).fingerprint() != same);
  tokens.given.clear();
  tokens.starts = {0, 5};
  CHECK(TokenRows(tokens, 10).fingerprint() == same);
  CHECK(TokenRows(tokens, 10, {.pack_documents = true}).fingerprint() != same);
  const auto mixed = [&](double weight) {
    return TokenRows({{counting(50), 1.0}, {counting(50), weight}}, 10).fingerprint();
  };
  CHECK(mixed(1) != mixed(2));
}

TEST_CASE("data: what a row predicts: the answers, and with packed documents nothing across them") {
  TokenText text;
  // document 1: 0 to 4, of which 3 and 4 are learned; document 2: 5 to 12, all; document 3: 13 to 20, none
  text.append({{0, 1, 2, 3, 4}, {false, false, false, true, true}});
  text.append({{5, 6, 7, 8, 9, 10, 11, 12}});
  text.append({{13, 14, 15, 16, 17, 18, 19, 20}, std::vector<bool>(8, false)});
  constexpr int32_t no = kNoTarget;
  const TokenRows rows(text, 7);
  CHECK(rows.rows() == 2);  // the third has nothing to learn
  CHECK(rows.learned() == 10);
  const RowBatch batch = rows.in_order(0, 2);
  CHECK(numbers(batch.targets) == std::vector<int32_t>{no, no, 3, 4, 5, 6, no, 8, 9, 10, 11, 12, no, no});
  CHECK(batch.predictions == 9);

  const TokenRows packed(text, 7, {.pack_documents = true});
  const RowBatch apart = packed.in_order(0, 2);
  CHECK(numbers(apart.targets) == std::vector<int32_t>{no, no, 3, 4, no, 6, no, 8, 9, 10, 11, 12, no, no});
  CHECK(apart.predictions == 8);
  CHECK(packed.predictions(std::vector<int64_t>{0, 1}) == 8);
  CHECK(packed.predictions(std::vector<int64_t>{1}) == packed.in_order(1, 1).predictions);
  CHECK(*apart.documents == DocumentStarts{0, 5, 13});
  CHECK(*packed.in_order(1, 1).documents == DocumentStarts{6});

  // A row's first token is predicted by nothing in it, nor is a document's with packed ones.
  TokenText first;
  first.append({{1, 2, 3, 4}, {true, false, false, false}});
  first.append({{5, 6, 7, 8}});
  CHECK(TokenRows(first, 4).rows() == 1);
  TokenText single;
  for (int32_t i = 0; i < 4; ++i) single.append({{i}});
  single.append({{5, 6, 7, 8}});
  CHECK(TokenRows(single, 4).rows() == 2);
  CHECK(TokenRows(single, 4, {.pack_documents = true}).rows() == 1);

  TokenText nothing;
  nothing.append({{1, 2, 3}, {false, false, false}});
  CHECK(error_of([&] { TokenRows(nothing, 3); }).find("nothing is to be learned in its 3 tokens") !=
        std::string::npos);
}

TEST_CASE("data: several texts are mixed by their weights, each in whole rows of its own") {
  const TokenRows rows({{counting(31), 3.0}, {counting(15), 1.0}}, 7);
  CHECK(rows.rows() == 6);
  CHECK(numbers(rows.in_order(4, 1).ids)[0] == 0);  // not the first text's tail
  RowOrder order = rows.order(3);
  int64_t second = 0;
  for (int64_t i = 0; i < 4000; ++i) second += order(i) >= 4;
  CHECK(std::abs(second - 1000) < 137);  // five deviations of sqrt(4000 * 3 / 16)
}

TEST_CASE("data: the same texts are tokenised once, others and changed ones again") {
  const TemporaryFolder folder;
  const std::string file = folder / "a.txt", own = folder / "tokenizer.json";
  write_file(file, "one");
  write_file(own, "{}");
  int calls = 0;
  const auto counted = [&](const Document& document) {
    ++calls;
    return encoded(document);
  };
  ReadingOptions options{.token_cache = folder / "cache", .encoding = "words", .encoding_files = {own}};
  const auto read = [&] { return joined_text(tokenize_data({file}, counted, options).first(0)); };
  read();
  CHECK(calls == 1);  // a short text is not kept
  CHECK(!std::filesystem::exists(folder / "cache"));
  options.least_kept = 1;
  for (int i = 0; i < 3; ++i) CHECK(read() == "one|");
  CHECK(calls == 2);
  options.encoding = "other words";
  read();
  options.text_field = "body";
  read();
  options.keep_line_ends = true;
  read();
  CHECK(calls == 5);
  write_file(own, "{ }");  // another tokenizer
  CHECK(read() == "one|");
  CHECK(calls == 6);
  write_file(file, "two");  // of the same size
  CHECK(read() == "two|");
  CHECK(calls == 7);
  CHECK(read() == "two|");
  CHECK(calls == 7);
  options.token_cache = "off";
  read();
  CHECK(calls == 8);
}

TEST_CASE("data: a long text comes in parts, with its form and its faults as those of the whole") {
  const TemporaryFolder folder;
  std::string text = "\xEF\xBB\xBF";
  for (int i = 0; i < 9000; ++i)
    text += i % 7 ? "Zo\xc3\xab \xe2\x82\xac " : "\r\n\r" + std::string(static_cast<size_t>(i % 5), 'x');
  write_file(folder / "a.txt", text);
  write_file(folder / "a.jsonl", Json{{"text", text}}.dump() + "\n{\"text\":\"b\"}\n");
  int calls = 0;
  const auto encode = [&](const Document& document) {
    ++calls;
    EncodedDocument result{bytes_of(document.text)};
    result.begins = document.begins;
    if (document.ends) result.ids.push_back('|');
    return result;
  };
  const auto after_space = [](std::string_view part) { return part.rfind(' ') + 1; };
  for (const bool keep : {false, true})
    for (const char* name : {"a.txt", "a.jsonl"}) {
      ReadingOptions options{.keep_line_ends = keep};
      const TokenText whole = tokenize_data({folder / name}, encode, options);
      options.cut = after_space;
      options.part_bytes = 1000;
      calls = 0;
      const TokenText parts = tokenize_data({folder / name}, encode, options);
      CHECK(calls > 50);
      CHECK(parts.first(0) == whole.first(0));
      CHECK(parts.starts == whole.starts);
      CHECK(parts.ids()[0] == 10 + (keep ? '\r' : '\n'));
      CHECK((std::ranges::find(parts.ids(), 10 + '\r') != parts.ids().end()) == keep);
    }
  // A fault anywhere is found at its place, and what the file is follows from all of it.
  for (const size_t at : {size_t{5}, text.size() / 2, text.size() - 1}) {
    for (const char byte : {'\x01', '\xff', '\0'}) {
      std::string faulty = text;
      faulty[at] = byte;
      write_file(folder / "f.txt", faulty);
      const std::string name = folder / "f.txt";
      ReadingOptions options{.cut = after_space, .part_bytes = 1000};
      CHECK(error_of([&] { tokenize_data({name}, encode, options); }) ==
            error_of([&] { check_text(faulty, name); }));
    }
  }
}

TEST_CASE("data: neither a line end nor a character is cut where a block of a file ends") {
  const TemporaryFolder folder;
  const std::string file = folder / "a.txt";
  for (const std::string at : {"\r\n", "\r", "\xc3\xab", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xff"})
    for (size_t before = (size_t{1} << 16) - 4; before <= size_t{1} << 16; ++before) {
      const std::string front(before, 'a');
      write_file(file, front + at + "b");
      const std::string expected = front + (at[0] == '\r' ? "\n" : at) + "b|";
      CAPTURE(before);
      if (at == "\xff")
        CHECK(contains(error_of([&] { tokenized({file}); }), concat("byte ", before, ",")));
      else
        CHECK((tokenized({file}) == expected));
    }
}
