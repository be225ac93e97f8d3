#pragma once
// The loss of every token of an evaluation, kept so that two models can be compared on the same tokens: the
// difference of two perplexities is far better known than either.
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/tensor.h"

namespace scca {

struct Losses {
  int64_t context = 0;  // window length N
  Tensor nll;           // f32 [windows, N - 1]: column p is the loss of the token with p + 1 tokens before it
  std::string data;  // what was scored (a digest of ids, context, stride and mode): only equal ones compare

  /// Mean over all windows and the columns [from, to).
  double mean(int64_t from, int64_t to) const;
};

/// A safetensors file, written whole or not at all.
void write_losses(const std::filesystem::path& file, const Losses& losses);
/// Throws Error naming the file when it is not one that write_losses wrote.
Losses read_losses(const std::filesystem::path& file);

struct PairedDifference {
  double mean = 0;  // of a's loss less b's, nats a token
  double standard_error =
      0;  // over windows: the tokens of one window are not independent. 0 for a single window
  int64_t tokens = 0;
};

/// Over the columns [from, to); `to` = -1 is all. Throws Error when the two did not score the same tokens.
PairedDifference paired_difference(const Losses& a, const Losses& b, int64_t from = 0, int64_t to = -1);

}  // namespace scca
