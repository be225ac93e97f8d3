#include "core/numbers.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace scca {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

/// 1 for a digit, 1024 for k, 1024^2 for m.
int64_t unit_of(char last) {
  if (last == 'k' || last == 'K') return int64_t{1} << 10;
  if (last == 'm' || last == 'M') return int64_t{1} << 20;
  return 1;
}

}  // namespace

std::optional<uint64_t> parse_whole(std::string_view word, uint64_t most) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || value > most) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_tokens(std::string_view word, int64_t most) {
  if (word.empty()) return std::nullopt;
  const int64_t unit = unit_of(word.back());
  if (unit > 1) word.remove_suffix(1);
  // 1.5k is 15 k / 10: exact, whatever a double makes of the fraction.
  const size_t point = unit > 1 ? word.find('.') : word.npos;
  int64_t divisor = 1;
  std::string_view fraction;
  if (point != word.npos) {
    fraction = word.substr(point + 1);
    if (fraction.empty() || fraction.size() > 9) return std::nullopt;
    for (size_t i = 0; i < fraction.size(); ++i) divisor *= 10;
  }
  const auto whole = parse_whole(word.substr(0, point), static_cast<uint64_t>(kLargest));
  const auto parts = fraction.empty() ? 0 : parse_whole(fraction, static_cast<uint64_t>(kLargest));
  if (!whole || !parts) return std::nullopt;
  const auto of_whole = checked_product({static_cast<int64_t>(*whole), unit});
  const auto of_parts = checked_product({static_cast<int64_t>(*parts), unit});
  if (!of_whole || !of_parts || *of_parts % divisor != 0 || *of_whole > most) return std::nullopt;
  const int64_t rest = *of_parts / divisor;
  return rest <= most - *of_whole ? std::optional(*of_whole + rest) : std::nullopt;
}

std::optional<double> parse_real(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<int64_t> checked_product(std::initializer_list<int64_t> factors) {
  int64_t product = 1;
  bool zero = false;
  for (const int64_t factor : factors) zero = zero || factor == 0;
  if (zero) return 0;
  for (const int64_t factor : factors) {
    if (product > kLargest / factor) return std::nullopt;
    product *= factor;
  }
  return product;
}

}  // namespace scca
