#include "train/evaluation/longbench/metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/check.h"
#include "train/evaluation/longbench/text.h"

namespace scca::longbench {
namespace {

using Words = std::vector<std::u32string>;

/// The words that qa_f1 compares. An article is a whole word between characters that are part of none.
Words answer_words(std::string_view text) {
  const std::u32string all = lower(characters(text));
  std::u32string kept, result;
  std::copy_if(all.begin(), all.end(), std::back_inserter(kept),
               [](char32_t c) { return !is_punctuation(c); });
  for (size_t at = 0; at < kept.size();) {
    size_t end = at;
    while (end < kept.size() && is_word_character(kept[end])) ++end;
    const std::u32string word = kept.substr(at, end - at);
    result += word == U"a" || word == U"an" || word == U"the" ? U" " : word;
    if (end < kept.size()) result += kept[end];
    at = end + 1;
  }
  return words_of(result);
}

/// The sentences of a text for rouge_l. One of white space alone has a single word, the empty one.
std::vector<Words> sentences_of(std::string_view text) {
  std::vector<Words> sentences;
  std::u32string all = characters(text) + U".", sentence;
  for (const char32_t c : all) {
    if (c != '.') {
      sentence += c;
    } else if (!sentence.empty()) {
      sentences.push_back(words_of(sentence));
      if (sentences.back().empty()) sentences.back().emplace_back();
      sentence.clear();
    }
  }
  return sentences;
}

std::set<std::u32string> different_words(const std::vector<Words>& sentences) {
  std::set<std::u32string> words;
  for (const Words& sentence : sentences) words.insert(sentence.begin(), sentence.end());
  return words;
}

/// Adds the words of a longest common subsequence of x and y: of several, the one that is found going back
/// from both ends and leaving out y's last word where nothing decides.
void add_common(const Words& x, const Words& y, std::set<std::u32string>& to) {
  const size_t width = y.size() + 1;
  std::vector<int32_t> length((x.size() + 1) * width);
  for (size_t i = 1; i <= x.size(); ++i) {
    for (size_t j = 1; j <= y.size(); ++j) {
      length[i * width + j] = x[i - 1] == y[j - 1]
                                  ? length[(i - 1) * width + j - 1] + 1
                                  : std::max(length[(i - 1) * width + j], length[i * width + j - 1]);
    }
  }
  for (size_t i = x.size(), j = y.size(); i > 0 && j > 0;) {
    if (x[i - 1] == y[j - 1]) {
      to.insert(x[i - 1]);
      --i, --j;
    } else if (length[(i - 1) * width + j] > length[i * width + j - 1]) {
      --i;
    } else {
      --j;
    }
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::vector<std::string_view> numbers_in(std::string_view text) {
  std::vector<std::string_view> numbers;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    if (end > at) numbers.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return numbers;
}

double share_of_numbers(std::string_view text, std::string_view wanted) {
  const auto numbers = numbers_in(text);
  if (numbers.empty()) return 0;
  return static_cast<double>(std::ranges::count(numbers, wanted)) / static_cast<double>(numbers.size());
}

/// The first line that is neither a comment nor a fence of Markdown; "" when there is none.
std::string_view first_code_line(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  for (;;) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.find_first_of("`#") == line.npos && line.find("//") == line.npos) return line;
    if (end == text.size()) return {};
    text.remove_prefix(end + 1);
  }
}

struct Block {
  size_t a, b, size;
};

/// Python's difflib.SequenceMatcher without junk: Ratcliff and Obershelp's matching of two strings.
class Matcher {
 public:
  Matcher(const std::u32string& a, const std::u32string& b) : a_(a), b_(b), run_(b.size() + 1) {
    for (size_t j = 0; j < b.size(); ++j) places_[b[j]].push_back(j);
    if (b.size() >= 200)  // "popular" characters
      std::erase_if(places_, [&](const auto& entry) { return entry.second.size() > b.size() / 100 + 1; });
  }

  /// Characters in matching blocks of a[a0, a1) and b[b0, b1).
  size_t matching(size_t a0, size_t a1, size_t b0, size_t b1) {
    const Block block = longest(a0, a1, b0, b1);
    if (block.size == 0) return 0;
    return block.size + matching(a0, block.a, b0, block.b) +
           matching(block.a + block.size, a1, block.b + block.size, b1);
  }

 private:
  /// The longest common block, of several the first in a, then in b.
  Block longest(size_t a0, size_t a1, size_t b0, size_t b1) {
    Block best{a0, b0, 0};
    std::fill(run_.begin(), run_.end(), 0);
    for (size_t i = a0; i < a1; ++i) {
      // run_[j + 1]: how long the block that ends at a[i], b[j] is
      std::vector<size_t> next(run_.size());
      const auto places = places_.find(a_[i]);
      if (places != places_.end()) {
        for (const size_t j : places->second) {
          if (j < b0 || j >= b1) continue;
          const size_t size = next[j + 1] = run_[j] + 1;
          if (size > best.size) best = {i + 1 - size, j + 1 - size, size};
        }
      }
      run_.swap(next);
    }
    while (best.a > a0 && best.b > b0 && a_[best.a - 1] == b_[best.b - 1]) --best.a, --best.b, ++best.size;
    while (best.a + best.size < a1 && best.b + best.size < b1 &&
           a_[best.a + best.size] == b_[best.b + best.size])
      ++best.size;
    return best;
  }

  const std::u32string &a_, &b_;
  std::map<char32_t, std::vector<size_t>> places_;
  std::vector<size_t> run_;
};

}  // namespace

double qa_f1(std::string_view prediction, std::string_view answer) {
  const Words said = answer_words(prediction), wanted = answer_words(answer);
  std::map<std::u32string, int64_t> left;
  for (const auto& word : wanted) ++left[word];
  int64_t same = 0;
  for (const auto& word : said) same += left[word]-- > 0;
  if (same == 0) return 0;
  const double precision = static_cast<double>(same) / static_cast<double>(said.size());
  const double recall = static_cast<double>(same) / static_cast<double>(wanted.size());
  return 2 * precision * recall / (precision + recall);
}

double rouge_l(std::string_view prediction, std::string_view answer) {
  const auto said = sentences_of(prediction), wanted = sentences_of(answer);
  if (said.empty() || wanted.empty()) return 0;
  std::set<std::u32string> common;
  for (const Words& x : wanted)
    for (const Words& y : said) add_common(x, y, common);
  const auto found = static_cast<double>(common.size());
  const double recall = found / static_cast<double>(different_words(wanted).size());
  const double precision = found / static_cast<double>(different_words(said).size());
  return 2 * (precision * recall / (precision + recall + 1e-8));
}

double classification(std::string_view prediction, std::string_view answer,
                      const std::vector<std::string>& classes) {
  std::vector<std::string_view> found;
  for (const std::string& name : classes)
    if (prediction.find(name) != prediction.npos) found.push_back(name);
  for (size_t i = 0; i < found.size(); ++i)  // what follows a dropped name moves to its place, unseen
    if (found[i] != answer && answer.find(found[i]) != answer.npos)
      found.erase(found.begin() + static_cast<ptrdiff_t>(i));
  const bool hit = std::ranges::find(found, answer) != found.end();
  return hit ? 1 / static_cast<double>(found.size()) : 0;
}

double retrieval(std::string_view prediction, std::string_view answer, std::string_view marker) {
  for (size_t at = answer.find(marker); at != answer.npos; at = answer.find(marker, at + 1)) {
    const std::string_view rest = answer.substr(at + marker.size());
    if (!rest.empty() && is_digit(rest[0])) return share_of_numbers(prediction, numbers_in(rest)[0]);
  }
  fail("the answer \"", answer, "\" has no number after \"", marker, "\"");
}

double count(std::string_view prediction, std::string_view answer) {
  return share_of_numbers(prediction, answer);
}

double code_similarity(std::string_view prediction, std::string_view answer) {
  const std::u32string a = characters(first_code_line(prediction)), b = characters(answer);
  if (a == b) return 1;
  if (a.empty() || b.empty()) return 0;
  const auto matching = static_cast<double>(Matcher(a, b).matching(0, a.size(), 0, b.size()));
  // Rounded in the reference's order of operations, so that halves are halves in both.
  return std::nearbyint(100 * (2 * matching / static_cast<double>(a.size() + b.size()))) / 100;
}

}  // namespace scca::longbench
