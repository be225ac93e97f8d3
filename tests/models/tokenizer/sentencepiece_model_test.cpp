#include "models/tokenizer/sentencepiece_model.h"

#include <doctest/doctest.h>
#include <sentencepiece_processor.h>

#include <limits>

#include "core/check.h"
#include "core/file.h"
#include "models/tokenizer/sentencepiece_tokenizer.h"
#include "models/tokenizer/tokenizer.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

const std::string kStories = SCCA_SOURCE_DIR "/tests/data/stories260K";
const std::string kDemo = SCCA_SOURCE_DIR "/train/demo/base/tokenizer.model";

PieceTable table_of(const std::string& model) {
  sentencepiece::SentencePieceProcessor library;
  REQUIRE(library.Load(model).ok());
  PieceTable table{.bos = library.bos_id(), .eos = library.eos_id()};
  using Type = PieceTable::Type;
  for (int id = 0; id < library.GetPieceSize(); ++id)
    table.pieces.push_back({library.IdToPiece(id), library.GetScore(id),
                            library.IsUnknown(id)   ? Type::unknown
                            : library.IsControl(id) ? Type::control
                            : library.IsByte(id)    ? Type::byte
                                                    : Type::normal});
  return table;
}

Tokenizer tokenizer_of(const PieceTable& table) {
  return Tokenizer(std::make_unique<SentencePieceTokenizer>(sentencepiece_model(table, "test"), "test"));
}

std::string error(const std::function<void(PieceTable&)>& change) {
  PieceTable table{.pieces = {{"<unk>", 0, PieceTable::Type::unknown},
                              {"<s>", 0, PieceTable::Type::control},
                              {"a", -1, PieceTable::Type::normal}}};
  change(table);
  return error_of([&] { sentencepiece_model(table, "file"); });
}

}  // namespace

TEST_CASE("sentencepiece model: made of its pieces it gives the ids of the model they came from") {
  const Tokenizer made = tokenizer_of(table_of(kDemo)), original(kDemo);
  CHECK(made.vocab_size() == original.vocab_size());
  CHECK(made.bos_id() == original.bos_id());
  CHECK(made.eos_id() == original.eos_id());
  CHECK(made.unk_id() == original.unk_id());
  const std::string reference = kStories + "/tok512_reference.json";
  const Json cases = parse_json(read_text_file(reference), reference)["cases"];
  REQUIRE(cases.size() >= 60);
  for (const Json& entry : cases) {
    const std::string text = entry["text"].get<std::string>();
    CAPTURE(text);
    CHECK(made.encode(text) == original.encode(text));
    CHECK(made.decode(made.encode(text)) == original.decode(original.encode(text)));
  }
}

TEST_CASE("sentencepiece model: stories260K's pieces, in texts that its own normalizer leaves alone") {
  const Tokenizer made = tokenizer_of(table_of(kStories + "/tokenizer.model")), original(kStories);
  for (const std::string text :
       {"Once upon a time, there was a little girl.", "a", "Zo\xc3\xab \xe2\x82\xac 1234!"})
    CHECK(made.encode(text) == original.encode(text));
  PieceTable bare = table_of(kStories + "/tokenizer.model");
  bare.adds_space_prefix = false;
  CHECK(tokenizer_of(bare).encode("Once") != original.encode("Once"));
  CHECK(tokenizer_of(bare).encode(" Once") == original.encode("Once"));
}

TEST_CASE("sentencepiece model: tables that make no model") {
  using Type = PieceTable::Type;
  CHECK(error([](PieceTable&) {}) == "no error");
  CHECK(error([](PieceTable& table) { table.pieces[0].type = Type::normal; }) ==
        "file: 0 pieces of type unknown, expected one");
  CHECK(error([](PieceTable& table) { table.pieces[2].type = Type::unknown; }) ==
        "file: 2 pieces of type unknown, expected one");
  CHECK(error([](PieceTable& table) { table.pieces[2].text = "<s>"; }).find("piece 2 is \"<s>\"") !=
        std::string::npos);
  CHECK(error([](PieceTable& table) { table.pieces[2].text = ""; }).find("piece 2 is \"\"") !=
        std::string::npos);
  CHECK(error([](PieceTable& table) {
          table.pieces[2].score = std::numeric_limits<float>::infinity();
        }).find("score inf") != std::string::npos);
  CHECK(error([](PieceTable& table) { table.pieces[2].type = static_cast<Type>(7); }) ==
        "file: piece 2 is of type 7, expected 1 to 6");
  for (const int32_t id : {-2, 2, 3})
    CHECK(error([&](PieceTable& table) { table.eos = id; }).find(concat("BOS or EOS is id ", id)) !=
          std::string::npos);
}

TEST_CASE("sentencepiece model: taken apart and put together again it gives the same ids, spaces and all") {
  const std::string bytes = read_text_file(kStories + "/tokenizer.model");
  PieceTable table = piece_table(bytes, "x");
  CHECK(table.collapses_spaces);
  CHECK(table.pieces[0].type == PieceTable::Type::unknown);
  CHECK(table.pieces[1].type == PieceTable::Type::control);
  CHECK(table.pieces[3].type == PieceTable::Type::byte);
  const Tokenizer made = tokenizer_of(table), original(kStories + "/tokenizer.model");
  for (const std::string text :
       {"  the  cat\tsat ", "\n\nOnce\n upon", "7zz <s>\xff\xe4\xbd\xa0", " \xf0\x9f\x98\x80  a", ""}) {
    INFO(text);
    CHECK(made.encode(text) == original.encode(text));
    CHECK(made.decode(original.encode(text)) == original.decode(original.encode(text)));
  }
  table.pieces[400].score = -3.25f;
  table.adds_space_prefix = table.collapses_spaces = false;
  const PieceTable back = piece_table(sentencepiece_model(table, "x"), "x");
  CHECK(back.pieces[400].score == -3.25f);
  CHECK(back.pieces[400].text == table.pieces[400].text);
  CHECK(!back.adds_space_prefix);
  CHECK(!back.collapses_spaces);
  CHECK(error_of([&] { piece_table("\x0a\xff", "x"); }) == "x: no SentencePiece model");
}

TEST_CASE("sentencepiece model: a list of tiktoken's ranks is told apart") {
  CHECK(is_tiktoken("IQ== 0\nIg== 1\n"));
  CHECK(!is_tiktoken("IQ== 1\nIg== 0\n"));
  CHECK(!is_tiktoken("I! 0\n"));
  CHECK(!is_tiktoken(""));
  CHECK(!is_tiktoken(read_text_file(kDemo)));
}
