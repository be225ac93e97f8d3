// A SentencePiece tokenizer.model. Promise: it encodes texts to ids of its own, and every decoding is UTF-8.
#include <memory>

#include "models/tokenizer/sentencepiece_model.h"
#include "models/tokenizer/sentencepiece_tokenizer.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "train/data/documents.h"

namespace scca::test {
namespace {

void take(std::string_view input) {
  // In memory: by way of a file nine tenths of the time went to its opening and reading.
  SCCA_CHECK(!is_tiktoken(input), "tokenizer.model: a list of ranks");
  const Tokenizer tokenizer(std::make_unique<SentencePieceTokenizer>(input, "tokenizer.model"));
  for (const std::string text :
       {"Once upon a time", "  two  spaces\n\n\tand \xF0\x9F\x98\x80 \xE2\x96\x81 \xFF", ""}) {
    const std::vector<int32_t> ids = tokenizer.encode(text);
    tokenizer.check_ids(ids);
    promise(first_invalid_utf8(tokenizer.decode(ids)) == std::string::npos, "'", text,
            "' decodes to what is no UTF-8");
  }
}

const RegisterFuzz line("tokenizer", take);

}  // namespace
}  // namespace scca::test
