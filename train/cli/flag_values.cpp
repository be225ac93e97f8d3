#include "train/cli/flag_values.h"

#include <limits>

#include "core/check.h"
#include "core/numbers.h"

namespace scca {
namespace {

/// Messages stay on one line and short, whatever was given.
std::string found(std::string word) {
  for (char& c : word)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return word.empty() ? "found nothing"
                      : concat("found '", word.substr(0, 40), word.size() > 40 ? "...'" : "'");
}

}  // namespace

CLI::Validator whole_number(int64_t most) {
  const auto check = [most](std::string& word) {
    if (parse_whole(word, static_cast<uint64_t>(most))) return std::string();
    return concat(found(word), ", expected a whole number from 0 to ", most);
  };
  return CLI::Validator(check, "N");
}

CLI::Validator token_count(int64_t most) {
  const auto check = [most](std::string& word) {
    const std::optional<int64_t> tokens = parse_tokens(word, most);
    if (!tokens) {
      return concat(found(word), ", expected a whole number of tokens from 0 to ", most,
                    ", such as 8192 or 8k (k = 1024, m = 1024 x 1024)");
    }
    word = std::to_string(*tokens);
    return std::string();
  };
  return CLI::Validator(check, "TOKENS");
}

CLI::Validator seed_number() {
  const auto check = [](std::string& word) {
    if (parse_whole(word, std::numeric_limits<uint64_t>::max())) return std::string();
    return concat(found(word), ", expected a whole number from 0 to 2^64 - 1");
  };
  return CLI::Validator(check, "SEED");
}

CLI::Validator real_number() {
  const auto check = [](std::string& word) {
    if (parse_real(word)) return std::string();
    return concat(found(word), ", expected a number such as 0.1 or 2e-5");
  };
  return CLI::Validator(check, "X");
}

}  // namespace scca
