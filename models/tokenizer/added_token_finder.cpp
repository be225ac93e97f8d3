#include "models/tokenizer/added_token_finder.h"

#include <algorithm>

#include "core/check.h"
#include "models/tokenizer/text_pattern.h"
#include "models/tokenizer/utf8.h"
#include "nn/json.h"

namespace scca {
namespace {

/// Unicode's White_Space.
bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

/// The character that a text ends with, of a text that is not empty.
std::string_view last_character(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
  return text.substr(begin);
}

size_t spaces_at_start(std::string_view text) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    const size_t length = utf8_character(text.substr(bytes));
    if (length == 0 || !is_space(code_point(text.substr(bytes, length)))) break;
    bytes += length;
  }
  return bytes;
}

size_t without_spaces_at_end(std::string_view text) {
  while (!text.empty() && is_space(code_point(last_character(text))))
    text.remove_suffix(last_character(text).size());
  return text.size();
}

/// \w as UTS #18 has it, Alphabetic (letters, letter numbers, circled letters), marks, digits, underscores
/// and joiners, which is the regex crate's.
bool is_word(std::string_view character) {
  static const TextPattern kWord({"[\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{200c}\\x{200d}\\x{24b6}-\\x{24e9}"
                                  "\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}]",
                                  true},
                                 "tokenizer");
  TextRange range;
  return TextPattern::Matches(kWord, character).next(range);
}

bool stands_alone(std::string_view before, std::string_view behind) {
  return (before.empty() || !is_word(last_character(before))) &&
         (behind.empty() || !is_word(behind.substr(0, utf8_character(behind))));
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(const std::vector<BpeAddedToken>& tokens,
                                   const std::vector<std::string>& spelled, const std::string& where)
    : tokens_(tokens), token_at_{-1} {
  for (size_t i = 0; i < tokens.size(); ++i) {
    SCCA_CHECK(!spelled[i].empty(), where, ": added token ", tokens[i].id, " is spelled as nothing");
    uint64_t node = 0;
    for (const char byte : spelled[i]) {
      const uint64_t key = node << 8 | static_cast<unsigned char>(byte);
      const uint64_t fresh = token_at_.size();
      if (children_.insert(key, fresh)) token_at_.push_back(-1);
      node = children_.find(key);
    }
    int64_t& there = token_at_[node];
    SCCA_CHECK(there < 0, where, ": added tokens ",
               tokens[static_cast<size_t>(std::max<int64_t>(there, 0))].id, " and ", tokens[i].id,
               " are both ", short_text(Json(spelled[i])), ", expected each text once");
    there = static_cast<int64_t>(i);
  }
}

/// The longest token that `text` begins with: its bytes and index, or {0, -1}.
std::pair<size_t, int64_t> AddedTokenFinder::longest(std::string_view text) const {
  std::pair<size_t, int64_t> found{0, -1};
  uint64_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    node = children_.find(node << 8 | static_cast<unsigned char>(text[i]));
    if (node == NumberMap::kNone) break;
    if (token_at_[node] >= 0) found = {i + 1, token_at_[node]};
  }
  return found;
}

std::vector<AddedTokenFinder::Section> AddedTokenFinder::sections(std::string_view text) const {
  std::vector<Section> sections;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const auto [bytes, index] = longest(text.substr(at));
    if (index < 0) {
      ++at;
      continue;
    }
    const BpeAddedToken& token = tokens_[static_cast<size_t>(index)];
    size_t begin = at, end = at + bytes;
    at = end;
    if (token.single_word && !stands_alone(text.substr(0, begin), text.substr(end))) continue;
    if (token.takes_space_before) begin = without_spaces_at_end(text.substr(0, begin));
    if (token.takes_space_after) end += spaces_at_start(text.substr(end));
    if (begin > done) sections.push_back({text.substr(done, begin - done), -1});
    sections.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) sections.push_back({text.substr(done), -1});
  return sections;
}

}  // namespace scca
