// A tokenizer.json. Promise: it encodes texts to ids of its own, and every decoding is UTF-8.
#include "models/tokenizer/bpe_tokenizer.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"
#include "tests/fuzz/fuzz.h"
#include "train/data/documents.h"

namespace scca::test {
namespace {

void take(std::string_view input) {
  const Tokenizer tokenizer(
      std::make_unique<BpeTokenizer>(parse_tokenizer_json(input, "tokenizer.json"), "tokenizer.json"));
  for (const std::string text :
       {"Once upon a time, it's 1234",
        "  two  spaces\n\n\tand \xF0\x9F\x98\x80 \xE2\x96\x81 e\xCC\x81 \xFF<s>", ""}) {
    const std::vector<int32_t> ids = tokenizer.encode(text);
    tokenizer.check_ids(ids);
    promise(first_invalid_utf8(tokenizer.decode(ids)) == std::string::npos, "'", text,
            "' decodes to what is no UTF-8");
    TextStream stream(tokenizer);
    std::string joined;
    for (const int32_t id : ids) joined += stream.push(id);
    promise(joined + stream.finish() == tokenizer.decode(ids), "'", text, "' streams to another text");
  }
}

const RegisterFuzz line("tokenizer_json", take);

}  // namespace
}  // namespace scca::test
