#pragma once
// Whether a text begins with BOS: --bos, and what the tokenizer's own files say.
#include <cstdint>
#include <string>
#include <vector>

#include "models/tokenizer/tokenizer.h"

namespace CLI {
class App;
}

namespace scca {

/// --bos auto|on|off: BOS `where`, as in "before every document". auto: where the tokenizer's files say that
/// it adds one (Tokenizer::adds_bos). With `windows` also --bos windows: at the front of every window of an
/// evaluation, and nowhere else.
std::vector<std::string> bos_choices(bool windows = false);
std::string bos_help(const std::string& where, bool windows = false);
void add_bos_flag(CLI::App& app, std::string& bos, const std::string& where, bool windows = false);

/// What the flag means with this tokenizer. Throws Error for a BOS that the vocabulary does not have.
bool puts_bos(const std::string& bos, const Tokenizer& tokenizer);

/// On stderr: "BOS before every document: no (auto)".
void announce_bos(const std::string& bos, const Tokenizer& tokenizer, const std::string& where);

/// The tokens cut into pieces of context - 1, BOS before each: windows of `context` tokens that begin with
/// it.
std::vector<int32_t> bos_before_windows(const std::vector<int32_t>& tokens, int64_t context, int32_t bos);

}  // namespace scca
