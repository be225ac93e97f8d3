#pragma once
// What a flag with a number or a list takes. Every such flag of every command has one of these, by
// ->transform(...): CLI11's own reading lets nan, -1 for a seed and twenty nines through. A test holds every
// command to it. Each gives help the name of its value.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
/// A word of any kind, called `name` in help.
CLI::Validator any_word(const std::string& name);
/// SPEC: an attention pattern, as parse_attention_spec (nn/patterns/spec.h) reads it; here, some word.
CLI::Validator some_pattern();

/// Such items with commas between, none of them empty: "512,,1024" may have lost one. What `item` makes of
/// each is put together again.
CLI::Validator list_of(CLI::Validator item);

/// A flag with a list of numbers: --lengths 512,1k. It may be given several times, or several words at once.
CLI::Option* add_list(CLI::App& app, const std::string& flag, std::vector<int64_t>& numbers,
                      CLI::Validator item, const std::string& description);
/// The same of words, called `name` in help.
CLI::Option* add_list(CLI::App& app, const std::string& flag, std::vector<std::string>& words,
                      const std::string& name, const std::string& description);
/// Whether the flag takes commas.
bool takes_list(const CLI::Option& option);

/// "a,b,,c" to {"a", "b", "", "c"}.
std::vector<std::string> split_list(std::string_view list);
/// Throws UsageError naming the flag when one of the items that `list` was split into is empty.
void check_items(const std::string& flag, const std::string& list, const std::vector<std::string>& items);

}  // namespace scca
