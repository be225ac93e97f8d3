// A config.json, RoPE and all. Promise: what is read comes back from what is written, and its angles are
// finite numbers.
#include <cmath>

#include "models/config.h"
#include "nn/json.h"
#include "nn/rope_scaling.h"
#include "tests/fuzz/fuzz.h"

namespace scca::test {
namespace {

void take(std::string_view input) {
  const LlamaConfig config = config_from_json(parse_json(input, "config.json"), "config.json");
  const Json written = to_json(config);
  promise(to_json(config_from_json(written, "again")) == written,
          "reads otherwise after it was written: ", short_text(written));
  if (config.head_dim > 1024) return;
  for (const int64_t tokens : {int64_t{1}, config.max_position_embeddings}) {
    const auto frequencies = inverse_frequencies(config.rope, config.head_dim, tokens);
    promise(std::isfinite(frequencies.magnitude), "magnitude ", frequencies.magnitude);
    for (const double inverse : frequencies.inverse)
      promise(std::isfinite(inverse), "an inverse frequency is ", inverse);
  }
}

const RegisterFuzz line("config", take);

}  // namespace
}  // namespace scca::test
