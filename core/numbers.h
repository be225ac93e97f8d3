#pragma once
// Numbers as people write them, read strictly: the whole word is one number, within bounds, or it is none.
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace scca {

/// Decimal digits and nothing else, at most `most`.
std::optional<uint64_t> parse_whole(std::string_view word, uint64_t most);

/// A number of tokens: digits, or with k = 1024 or m = 1024^2 behind them, upper and lower case alike: 8k =
/// 8192, 1.5k = 1536. nullopt for what comes to no whole number (1.3k) and for more than `most`.
std::optional<int64_t> parse_tokens(std::string_view word, int64_t most);

/// A decimal number such as 0.1, -3 or 2e-5. nullopt for nan, inf and what a double cannot hold.
std::optional<double> parse_real(std::string_view word);

/// Of numbers that are not negative; nullopt beyond 2^63 - 1.
std::optional<int64_t> checked_product(std::initializer_list<int64_t> factors);

}  // namespace scca
