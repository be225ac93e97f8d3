#include "models/sentencepiece_pieces.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "models/sentencepiece_settings.h"
#include "models/sentencepiece_tokenizer.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

const std::string kFile = SCCA_SOURCE_DIR "/tests/data/stories260K/tokenizer.model";

/// Bytes of a few scripts, spaces, and what is no UTF-8.
std::string random_text(uint64_t seed) {
  static const std::vector<std::string> kParts{
      "a",   "the", " ", "  ",   "\n", "Once", "\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80",
      "<s>", "7",   ".", "\xff", "\t", "zz"};
  std::string text;
  for (int i = 0; i < 40; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    text += kParts[(seed >> 33) % kParts.size()];
  }
  return text;
}

}  // namespace

TEST_CASE("sentencepiece pieces: a model taken apart and put together again gives the same ids") {
  const std::string bytes = read_text_file(kFile);
  PieceTable table = piece_table(bytes, "x");
  const SentencePieceTokenizer before(bytes, "", "x");
  REQUIRE(std::ssize(table.pieces) == before.pieces());
  CHECK(table.pieces[0].type == PieceType::unknown);
  CHECK(table.pieces[1].type == PieceType::control);
  CHECK(table.pieces[3].type == PieceType::byte);
  table.special = before.special_ids();
  const SentencePieceTokenizer after(sentencepiece_model(table, "x"), "", "x");
  CHECK(after.special_ids().bos == 1);
  CHECK(after.special_ids().eos == 2);
  CHECK(after.special_ids().unk == 0);
  for (uint64_t seed = 1; seed < 200; ++seed) {
    const std::string text = random_text(seed);
    INFO(text);
    const std::vector<int32_t> ids = before.encode(text);
    CHECK(after.encode(text) == ids);
    CHECK(after.decode(ids) == before.decode(ids));
  }
}

TEST_CASE("sentencepiece pieces: the space in front is a setting, and every score is kept") {
  PieceTable table = piece_table(read_text_file(kFile), "x");
  table.special = {.bos = -1, .eos = 2};
  table.adds_leading_space = false;
  table.pieces[400].score = -3.25f;
  const std::string bytes = sentencepiece_model(table, "x");
  CHECK(!sentencepiece_settings(bytes)->adds_leading_space);
  CHECK(sentencepiece_settings(bytes)->collapses_spaces == table.collapses_spaces);
  CHECK(!sentencepiece_settings(bytes)->maps_characters);
  CHECK(sentencepiece_settings(bytes)->is_bpe);
  const PieceTable back = piece_table(bytes, "x");
  CHECK(back.pieces[400].score == -3.25f);
  CHECK(back.pieces[400].text == table.pieces[400].text);
  CHECK(SentencePieceTokenizer(bytes, "", "x").special_ids().bos == -1);
}

TEST_CASE("sentencepiece pieces: tables that no model can be are refused") {
  PieceTable table;
  table.pieces = {{"<unk>", 0, PieceType::unknown}, {"a", 0, PieceType::normal}};
  table.special.bos = 2;
  CHECK(error_of([&] { sentencepiece_model(table, "x"); }) == "x: BOS is id 2, beyond the 2 pieces");
  table.special.bos = -1;
  table.pieces[1].type = static_cast<PieceType>(7);
  CHECK(error_of([&] { sentencepiece_model(table, "x"); }) == "x: a piece is of type 7, expected 1 to 6");
  table.pieces = {{"a"}};
  CHECK(error_of([&] { sentencepiece_model(table, "x"); }).find("no piece stands for what is unknown") !=
        std::string::npos);
  CHECK(error_of([&] { piece_table("\x0a\xff", "x"); }) == "x: no SentencePiece model");
}
