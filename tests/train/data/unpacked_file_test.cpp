#include "train/data/unpacked_file.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

#include "core/file.h"
#include "tests/run_scca.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

/// Bytes of hexadecimal digits.
std::string bytes(const std::string& digits) {
  std::string result;
  for (size_t i = 0; i < digits.size(); i += 2)
    result += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return result;
}

// What gzip -n and zstd --check made of it.
const std::string kText = "Once upon a time\n";
const std::string kGzip = bytes("1f8b0800000000000003f3cf4b4e55282dc8cf53485428c9cc4de502007f081a7411000000");
const std::string kZstd = bytes("28b52ffd04588900004f6e63652075706f6e20612074696d650ad7603fcd");

std::string gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// With a checksum, as the tool writes it.
std::string zstd(const std::string& text) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress2(context, packed.data(), packed.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return packed;
}

/// Words without end, which pack to a third or so.
std::string words(size_t size) {
  std::string text;
  for (uint32_t i = 1; text.size() < size; i = i * 1664525 + 1013904223) text += std::to_string(i >> 8) + " ";
  return text;
}

struct Place {
  std::string read(const std::string& content, size_t piece = 1 << 16) const {
    write_file(folder / "x", content);
    UnpackedFile file(folder / "x");
    std::string text, some(piece, '\0');
    while (const size_t got = file.read(some.data(), piece)) text.append(some.data(), got);
    return text;
  }
  std::string error(const std::string& content) const {
    const std::string message = error_of([&] { read(content); }), path = folder / "x";
    return message.starts_with(path) ? message.substr(path.size()) : message;
  }
  TemporaryFolder folder;
};

}  // namespace

TEST_CASE("unpacked file: what the tools packed, and what is not packed, in pieces of any size") {
  const Place place;
  for (const size_t piece : {1, 7, 4096}) {
    CAPTURE(piece);
    for (const std::string& packed : {kText, kGzip, kZstd}) CHECK(place.read(packed, piece) == kText);
    CHECK(place.read("", piece).empty());
    CHECK(place.read("\x1f", piece) == "\x1f");
  }
}

TEST_CASE("unpacked file: long texts, and parts behind each other") {
  const Place place;
  const std::string text = words(300000);
  CHECK(place.read(gzip(text)) == text);
  CHECK(place.read(zstd(text)) == text);
  CHECK(place.read(gzip(text) + gzip("more") + gzip("")) == text + "more");
  CHECK(place.read(zstd(text) + zstd("") + zstd("more")) == text + "more");
  CHECK(place.read(kGzip + std::string(700, '\0')) == kText);  // a tape's padding
}

TEST_CASE("unpacked file: damaged, cut short, with something behind, and what would fill the memory") {
  const Place place;
  for (const std::string& packed : {gzip(words(200000)), zstd(words(200000))}) {
    const std::string kind = packed[0] == '\x1f' ? "gzip" : "zstd";
    const std::string half = packed.substr(0, packed.size() / 2);
    CHECK(place.error(half) == ": is " + kind + " data that are cut short after " +
                                   std::to_string(half.size()) + " bytes; fetch the file again");
    std::string damaged = packed;
    for (size_t i = 1000; i < 1100; ++i) damaged[i] = static_cast<char>(~damaged[i]);
    CHECK(place.error(damaged).starts_with(": is damaged " + kind + " data ("));
    CHECK(place.error(packed + "and a letter") ==
          ": is " + kind + " data with something else behind; unpack it first");
  }
  CHECK(
      place.error(zstd(std::string(100000000, 'a'))).starts_with(": is zstd data that unpack to more than"));
  CHECK(place.read(gzip(std::string(1000000, 'a'))).size() == 1000000);
}

TEST_CASE("unpacked file: a packed book is read by the program as the book is") {
  const TemporaryFolder folder;
  const std::string text =
      "Once there was a dog.\r\nHe was a big dog. Tim had a ball, and the dog had it too.\n";
  const auto tokens = [&](const std::string& name, const std::string& content) {
    write_file(folder / name, content);
    return run_scca({"eval", "--model", SCCA_SOURCE_DIR "/tests/data/stories260K", "--data", folder / name,
                     "--context", "8", "--json"})
        .json();
  };
  const auto plain = tokens("a.txt", text);
  CHECK(tokens("b.txt.gz", gzip(text)) == plain);
  CHECK(tokens("c.zst", zstd(text)) == plain);
  CHECK(tokens("d.jsonl.gz",
               gzip(R"({"text": "Once there was a dog.\nHe was a big dog. Tim had a ball, and the )"
                    R"(dog had it too.\n"})")) == plain);
}
