#include "train/data/file_kind.h"

#include <doctest/doctest.h>

#include "tests/temporary_folder.h"

using namespace scca;
using test::error_of;

namespace {

std::string of(std::string_view beginning) {
  return error_of([&] { refuse_binary(beginning, "x"); });
}

std::string text_error(std::string_view text) {
  return error_of([&] { check_text(text, "x"); });
}

template <size_t N>
std::string bytes(const char (&text)[N]) {
  return {text, N - 1};
}

std::string wide(const std::string& text, size_t before, size_t after) {
  std::string wide;
  for (const char c : text) wide += std::string(before, '\0') + c + std::string(after, '\0');
  return wide;
}

const std::string kProse = "It was the best of times, it was the worst of times.\n";

}  // namespace

TEST_CASE("file kind: what is no text is known by its first bytes, and the tool is named") {
  const struct {
    std::string beginning, what, tool;
  } cases[] = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git LFS", "git lfs pull"},
      {bytes("\x1f\x8b\x08\0"), "gzip data within gzip", "zcat"},
      {bytes("\x28\xb5\x2f\xfd\x04"), "zstd data within packed", "zstd -d"},
      {bytes("BZh91AY&SY\x01"), "bzip2", "bzcat"},
      {bytes("\xfd\x37zXZ\0\0"), "xz", "xzcat"},
      {bytes("PK\x03\x04\x14"), "zip", "unzip"},
      {std::string(257, 'a') + bytes("ustar\0"), "tar", "tar xf"},
      {bytes("PAR1\x15\x04"), "Parquet", "duckdb"},
      {bytes("ARROW1\0\0"), "Arrow", "to_json"},
      {bytes("\xff\xff\xff\xff\x10"), "Arrow", "to_json"},
      {bytes("\x89HDF\r\n\x1a\n"), "HDF5", "JSONL"},
      {bytes("SQLite format 3\0"), "SQLite", "sqlite3"},
      {bytes("%PDF-1.5\n"), "PDF", "pdftotext"},
      {bytes("{\\rtf1\\ansi"), "RTF", "pandoc"},
      {bytes("\x89PNG\r\n\x1a\n"), "PNG", "name texts"},
      {bytes("\xff\xd8\xff\xe0"), "JPEG", "name texts"},
      {bytes("\x7f"
             "ELF\x02"),
       "ELF", "name texts"},
      {bytes("GGUF\x03\0\0\0"), "GGUF", "weights"},
      {bytes("\x10\0\0\0\0\0\0\0{\"a\":"), "safetensors", "weights"},
      {bytes("\x80\x04\x95\0"), "pickle", "JSONL"},
      {bytes("\xff\xfe"
             "a\0"),
       "UTF-16", "iconv -f utf-16"},
      {bytes("\xfe\xff\0a"), "UTF-16", "iconv -f utf-16"},
      {bytes("\xff\xfe\0\0"
             "a\0\0\0"),
       "UTF-32", "iconv -f utf-32"},
      {wide(kProse, 0, 1), "utf-16le", "iconv -f utf-16le"},
      {wide(kProse, 1, 0), "utf-16be", "iconv -f utf-16be"},
      {wide(kProse, 0, 3), "utf-32le", "iconv -f utf-32le"},
      {wide(kProse, 3, 0), "utf-32be", "iconv -f utf-32be"},
  };
  for (const auto& c : cases) {
    const std::string error = of(c.beginning);
    CAPTURE(error);
    CHECK(error.starts_with("x: "));
    CHECK(error.find(c.what) != std::string::npos);
    CHECK(error.find(c.tool) != std::string::npos);
    CHECK(error.find("latin1") == std::string::npos);
  }
}

TEST_CASE("file kind: a text may begin with the letters of a magic") {
  for (const char* text : {"", "BZh is a name", "PAR1 is Paris", "GIF89a was a format", "GGUF, said the cat",
                           "version 2", "12345678{\"a\": 1}", "PK fire", "\xEF\xBB\xBFMarked"}) {
    CAPTURE(text);
    CHECK(of(text) == "no error");
    CHECK(text_error(text) == "no error");
  }
}

TEST_CASE("file kind: the place of what is no text, and advice that fits the bytes") {
  CHECK(text_error("tab\tlf\ncr\rvt\vff\f caf\xC3\xA9") == "no error");
  CHECK(
      text_error("caf\xE9 noir, s'il vous pla\xEEt")
          .starts_with("x: is not UTF-8 at byte 3, but looks like Windows-1252 (Latin-1); convert it first: "
                       "iconv -f windows-1252 "));
  CHECK(text_error("\x93quoted\x94 text").find("windows-1252") != std::string::npos);
  // KOI8-R: nearly all letters beyond ASCII
  CHECK(text_error("\xf0\xd2\xc9\xd7\xc5\xd4 \xcd\xc9\xd2").find("iconv -f ENCODING") != std::string::npos);
  // UTF-8 with a byte lost
  CHECK(text_error("caf\xC3\xA9 caf\xC3\xA9 caf\xC3 caf\xC3\xA9").find("may be damaged (1 bytes)") !=
        std::string::npos);
  const std::string stray = text_error(kProse + "\x1b[1mbold");
  CHECK(stray.starts_with("x: byte 53 is the control character 0x1b"));
  CHECK(stray.find("tr -d") != std::string::npos);
  // a NUL, or many controls: no tool makes text of that
  for (const std::string& binary : {bytes("ab\0cd"), std::string(100, '\x02'), bytes("caf\xE9\0")}) {
    const std::string error = text_error(binary);
    CAPTURE(error);
    CHECK(error.starts_with("x: is no text: byte "));
    CHECK(error.find("iconv") == std::string::npos);
    CHECK(error.find("tr -d") == std::string::npos);
  }
  CHECK(text_error(bytes("ab\0cd")).starts_with("x: is no text: byte 2 is 0x00; export"));
  CHECK(text_error(bytes("ab\0cd\0")).starts_with("x: is no text: byte 2 is 0x00, and more of it is such;"));
}
