#pragma once
// What a flag with a number takes. Every such flag of every command has one of these, by ->transform(...):
// CLI11's own reading lets nan, -1 for a seed and twenty nines through. A test holds every command to it.
// Each gives help the name of its value.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdint>

#include "train/cli/limits.h"

namespace scca {

/// N: a whole number from 0 to `most`.
CLI::Validator whole_number(int64_t most = kMostCount);
/// TOKENS: the same with 8k for 8192 and 1m for 1048576.
CLI::Validator token_count(int64_t most = kMostContext);
/// SEED: a whole number from 0 to 2^64 - 1.
CLI::Validator seed_number();
/// X: a finite decimal number.
CLI::Validator real_number();

}  // namespace scca
