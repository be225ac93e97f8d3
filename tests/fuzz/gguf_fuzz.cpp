// A GGUF file: its table, its settings as a model's, its tensors in every format. Promise: every byte of
// every tensor is there to be read, and an accepted model's rows all have a place.
#include "models/files/gguf.h"
#include "models/gguf_model.h"
#include "tests/fuzz/fuzz.h"

namespace scca::test {
namespace {

void check_tensor(const std::string& name, const StoredTensor& tensor) {
  if (numel(tensor.shape) > 1 << 16) return;
  Tensor values = Tensor::empty(tensor.shape, DType::f32);
  const bool read = read_elements(tensor, values);
  promise(read || tensor.dtype[0] == 'I', name, " is ", tensor.dtype, " and cannot be read");
}

void take(std::string_view input) {
  static const InputFile input_file;
  input_file.write(input);
  const GgufFile file(input_file.path());
  size_t bytes = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    bytes += tensor.bytes;
    check_tensor(name, tensor);
  }
  promise(bytes < input.size(), bytes, " bytes of tensors in a file of ", input.size());
  const LlamaConfig config = config_from_json(gguf_config(file), "x");
  for (const auto& [name, tensor] : gguf_tensors(file)) {
    check_tensor(name, tensor);
    promise(tensor.interleaved == 0 || tensor.interleaved == config.head_dim, name, " has heads of ",
            tensor.interleaved, " rows");
  }
}

const RegisterFuzz line("gguf", take);

}  // namespace
}  // namespace scca::test
