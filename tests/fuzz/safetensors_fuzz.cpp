// A safetensors file. Promise: every byte of every tensor is there to be read, and a tensor's shape says how
// many.
#include "models/files/safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace scca::test {
namespace {

volatile unsigned sink;  // so that the reads are not left out

void take(std::string_view input) {
  static const InputFile file;
  file.write(input);
  const SafetensorsFile stored(file.path());
  size_t bytes = 0;
  for (const auto& [name, tensor] : stored.tensors()) {
    bytes += tensor.bytes;
    for (size_t i = 0; i < tensor.bytes; ++i) sink = static_cast<unsigned>(tensor.data[i]);
    promise(tensor.bytes == 0 || tensor.bytes % static_cast<size_t>(numel(tensor.shape)) == 0, name, " is ",
            tensor.bytes, " bytes for the shape ", to_string(tensor.shape));
  }
  promise(bytes < input.size(), bytes, " bytes of tensors in a file of ", input.size());
}

const RegisterFuzz line("safetensors", take);

}  // namespace
}  // namespace scca::test
