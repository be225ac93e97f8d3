// An adapter's folder: two bytes that say how long adapter_config.json is, that file, then
// adapter_model.safetensors. Promise: an adapter that is taken leaves a model whose logits can be asked for.
#include <fstream>

#include "core/autograd.h"
#include "models/adapter.h"
#include "models/llama.h"
#include "tests/fuzz/fuzz.h"
#include "tests/temporary_folder.h"

namespace scca::test {
namespace {

LlamaConfig tiny() {
  LlamaConfig config;
  config.vocab_size = 7;
  config.hidden_size = 4;
  config.intermediate_size = 3;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 2;
  config.max_position_embeddings = 8;
  config.rope.original_length = 8;
  return config;
}

void take(std::string_view input) {
  static const TemporaryFolder folder;
  const size_t low = static_cast<size_t>(take_number(input, 255)),
               high = static_cast<size_t>(take_number(input, 255));
  const std::string_view config = input.substr(0, low + 256 * high);
  // Not through write_file, which waits for the disk.
  std::ofstream(folder / "adapter_config.json", std::ios::binary) << config;
  std::ofstream(folder / "adapter_model.safetensors", std::ios::binary) << input.substr(config.size());
  NoGrad no_grad;
  static const Llama base = Llama::initialised(tiny(), 1);
  Llama model = base;  // an adapter's weights take the places of the base's, and write into none
  load_adapter(model, folder.path().string());
  model.head_logits(model.hidden(Tensor::of<int32_t>({1, 2, 3}, {1, 3}), {}));
}

const RegisterFuzz line("adapter", take);

}  // namespace
}  // namespace scca::test
