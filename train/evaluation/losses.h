#pragma once
// The loss of every token of an evaluation, kept so that two models can be compared on the same tokens
// (train/evaluation/comparison.h): the difference of two perplexities is far better known than either.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace scca {

struct Losses {
  int64_t context = 0;  // window length N
  Tensor nll;           // f32 [windows, N - 1]: column p is the loss of the token with p + 1 tokens before it
  std::string data;  // what was scored (a digest of ids, context, stride and mode): only equal ones compare
  std::vector<int32_t> document = {};  // of each of nll's tokens, counted from 0; empty: not known

  /// Mean over all windows and the columns [from, to).
  double mean(int64_t from, int64_t to) const;
};

/// A safetensors file, written whole or not at all. Throws Error for more than 2^24 documents.
void write_losses(const std::filesystem::path& file, const Losses& losses);
/// Throws Error naming the file when it is not one that write_losses wrote.
Losses read_losses(const std::filesystem::path& file);

}  // namespace scca
