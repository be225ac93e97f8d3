#include "train/data/file_kind.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "core/check.h"
#include "core/file.h"
#include "models/tokenizer/utf8.h"

namespace scca {
namespace {

struct Kind {
  std::string_view magic;
  const char* what;
  const char* todo;
  size_t offset = 0;
  bool letters = false;  // a text may begin so too: only where control characters follow
};

/// Embedded NUL bytes count.
template <size_t N>
constexpr std::string_view bytes(const char (&text)[N]) {
  return {text, N - 1};
}

constexpr const char* kArrow =
    R"x(convert it first: python3 -c "import sys, datasets; )x"
    R"x(datasets.Dataset.from_file(sys.argv[1]).to_json(sys.argv[2])" FILE OUT.jsonl)x";
constexpr const char* kWrite = "write its texts as JSONL first, a `text` field a line";
constexpr const char* kUtf16 = "convert it first: iconv -f utf-16 -t utf-8 FILE > OUT.txt";
constexpr const char* kUtf32 = "convert it first: iconv -f utf-32 -t utf-8 FILE > OUT.txt";
constexpr const char* kModel = "it is a model's weights; name texts here";
constexpr const char* kElse = "name texts here";

/// The first that fits is it.
constexpr Kind kKinds[] = {
    {kLfsPointer, kLfsName, kLfsAdvice},
    {bytes("\x1f\x8b"), "gzip data within gzip data", "unpack it first: zcat FILE > OUT.gz"},
    {bytes("\x1f\x9d"), "compress data (.Z)", "unpack it first: zcat FILE > OUT.txt"},
    {bytes("\x28\xb5\x2f\xfd"), "zstd data within packed data", "unpack it first: zstd -d FILE -o OUT"},
    {bytes("BZh"), "bzip2 data", "unpack it first: bzcat FILE > OUT.txt", 0, true},
    {bytes("\xfd\x37zXZ\0"), "xz data", "unpack it first: xzcat FILE > OUT.txt"},
    {bytes("\x04\x22\x4d\x18"), "lz4 data", "unpack it first: lz4 -d FILE OUT.txt"},
    {bytes("LZIP\x01"), "lzip data", "unpack it first: lzip -dc FILE > OUT.txt"},
    {bytes("7z\xbc\xaf\x27\x1c"), "a 7-Zip archive", "unpack it first: 7z x FILE"},
    {bytes("Rar!\x1a\x07"), "a RAR archive", "unpack it first: unrar x FILE"},
    {bytes("PK\x03\x04"), "a zip archive (.zip, .docx, .epub, .npz, .pt)",
     "unpack it first: unzip FILE; of .docx and .epub: pandoc -t plain FILE -o OUT.txt"},
    {bytes("PK\x05\x06"), "an empty zip archive", kElse},
    {bytes("ustar"), "a tar archive", "unpack it first: tar xf FILE", 257, true},
    {bytes("PAR1"), "Parquet",
     R"x(convert it first: duckdb -c "COPY (SELECT text FROM 'FILE') TO 'OUT.jsonl' (FORMAT json)")x", 0,
     true},
    {bytes("ARROW1"), "an Arrow file", kArrow, 0, true},
    {bytes("\xff\xff\xff\xff"), "an Arrow stream", kArrow},
    {bytes("FEA1"), "a Feather file", kArrow, 0, true},
    {bytes("Obj\x01"), "Avro", "convert it to JSONL first: avro-tools tojson FILE > OUT.jsonl"},
    {bytes("\x89HDF\r\n\x1a\n"), "HDF5", kWrite},
    {bytes("SQLite format 3\0"), "an SQLite database",
     R"x(write its texts as JSONL first: sqlite3 FILE "SELECT json_object('text', COLUMN) FROM TABLE" > OUT.jsonl)x"},
    {bytes("\x93NUMPY"), "a NumPy array", "scca takes texts, not token ids"},
    {bytes("%PDF-"), "PDF", "take its text out first: pdftotext -layout FILE OUT.txt"},
    {bytes("%!PS"), "PostScript", "take its text out first: ps2ascii FILE OUT.txt"},
    {bytes("{\\rtf"), "RTF", "convert it first: pandoc -f rtf -t plain FILE -o OUT.txt"},
    {bytes("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Office document (.doc, .xls)",
     "convert it first: soffice --convert-to txt FILE"},
    {bytes("\x89PNG\r\n\x1a\n"), "a PNG picture", kElse},
    {bytes("\xff\xd8\xff"), "a JPEG picture", kElse},
    {bytes("GIF8"), "a GIF picture", kElse, 0, true},
    {bytes("OggS"), "Ogg sound", kElse, 0, true},
    {bytes("\x7f"
           "ELF"),
     "an ELF program", kElse},
    {bytes("GGUF"), "GGUF", kModel, 0, true},
    {bytes("{\""), "safetensors", kModel, 8},
    {bytes("\x80\x02"), "a Python pickle", kWrite},
    {bytes("\x80\x03"), "a Python pickle", kWrite},
    {bytes("\x80\x04"), "a Python pickle", kWrite},
    {bytes("\x80\x05"), "a Python pickle", kWrite},
    {bytes("\xff\xfe\0\0"), "UTF-32 text", kUtf32},
    {bytes("\0\0\xfe\xff"), "UTF-32 text", kUtf32},
    {bytes("\xff\xfe"), "UTF-16 text", kUtf16},
    {bytes("\xfe\xff"), "UTF-16 text", kUtf16},
};

/// UTF-16 and UTF-32 without a mark: of a text in Latin letters every other byte is NUL, or three of four.
const char* wide_encoding(std::string_view beginning) {
  std::array<size_t, 4> zeros{};
  const size_t size = beginning.size() / 4 * 4;
  for (size_t i = 0; i < size; ++i) zeros[i % 4] += beginning[i] == '\0';
  const size_t most = size / 4 * 3 / 5, least = size / 4 / 20;  // more than 60 % and less than 5 % of a place
  if (size < 8) return nullptr;
  const auto full = [&](size_t i) { return zeros[i] > most; };
  const auto free = [&](size_t i) { return zeros[i] <= least; };
  if (free(0) && full(1) && full(2) && full(3)) return "utf-32le";
  if (full(0) && full(1) && full(2) && free(3)) return "utf-32be";
  if (free(0) && full(1) && free(2) && full(3)) return "utf-16le";
  if (full(0) && free(1) && full(2) && free(3)) return "utf-16be";
  return nullptr;
}

bool is_control(uint8_t byte) {
  return byte == 0x7f || (byte < 0x20 && !(byte >= '\t' && byte <= '\r'));  // tab, LF, VT, FF, CR
}

bool fits(const Kind& kind, std::string_view beginning) {
  if (beginning.size() < kind.offset || !beginning.substr(kind.offset).starts_with(kind.magic)) return false;
  if (kind.offset == 8)
    return beginning.substr(4, 4) == bytes("\0\0\0\0");  // a safetensors header below 4 GB
  return !kind.letters || std::any_of(beginning.begin(), beginning.end(),
                                      [](char c) { return is_control(static_cast<uint8_t>(c)); });
}

std::string hexadecimal(uint8_t byte) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", byte);
  return text;
}

}  // namespace

void refuse_binary(std::string_view beginning, const std::string& name) {
  for (const Kind& kind : kKinds)
    if (fits(kind, beginning)) fail(name, ": is ", kind.what, ", not text; ", kind.todo);
  if (const char* encoding = wide_encoding(beginning.substr(0, 4096)))
    fail(name, ": looks like ", encoding, ", not UTF-8; convert it first: iconv -f ", encoding,
         " -t utf-8 FILE > OUT.txt");
}

void TextCheck::Census::count(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<uint8_t>(text[at]);
    const size_t length = utf8_character(text.substr(at, 4));
    nuls += byte == 0;
    controls += is_control(byte);
    characters += length > 1;
    strays += length == 0;
    high += length > 1 ? length : length == 0;
    unassigned +=
        length == 0 && (byte == 0x81 || byte == 0x8d || byte == 0x8f || byte == 0x90 || byte == 0x9d);
    at += std::max<size_t>(length, 1);
  }
}

void TextCheck::add(std::string_view block) {
  size_t at = 0, characters = 0, high = 0;
  for (size_t length = 0; good() && at < block.size(); at += length) {
    length = is_control(static_cast<uint8_t>(block[at])) ? 0 : utf8_character(block.substr(at, 4));
    if (length == 0) {
      bad_ = static_cast<uint8_t>(block[at]);
      bad_at_ = size_ + at;
      break;
    }
    characters += length > 1;
    high += length > 1 ? length : 0;
  }
  census_.characters += characters;
  census_.high += high;
  if (bad_) census_.count(block.substr(at));
  size_ += block.size();
}

void TextCheck::finish() const {
  if (!bad_) return;
  const size_t at = bad_at_;
  if (census_.is_binary(size_))
    fail(name_, ": is no text: byte ", at, " is ", hexadecimal(*bad_),
         census_.controls > 1 ? ", and more of it is such" : "",
         "; export it as UTF-8 text from the program that wrote it");
  if (is_control(*bad_))
    fail(name_, ": byte ", at, " is the control character ", hexadecimal(*bad_),
         R"(, which is part of no text; take such out: tr -d '\000-\010\016-\037\177' < FILE > OUT.txt)");
  if (census_.characters > census_.strays)
    fail(name_, ": is not UTF-8 at byte ", at, "; most of it is, so that the file may be damaged (",
         census_.strays, " bytes): grep -naxv '.*' FILE shows the lines");
  if (census_.unassigned == 0 && census_.high * 10 < size_ * 3)
    fail(name_, ": is not UTF-8 at byte ", at,
         ", but looks like Windows-1252 (Latin-1); convert it first: iconv -f windows-1252 -t utf-8 FILE > "
         "OUT.txt");
  fail(name_, ": is not UTF-8 at byte ", at,
       "; if it is text, convert it first: iconv -f ENCODING -t utf-8 FILE > OUT.txt");
}

void check_text(std::string_view text, const std::string& name) {
  TextCheck check(name);
  check.add(text);
  check.finish();
}

}  // namespace scca
