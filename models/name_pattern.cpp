#include "models/name_pattern.h"

#include <algorithm>
#include <cstdint>

#include "core/check.h"
#include "nn/json.h"

namespace scca {

namespace {

constexpr size_t kLongest = 1000;   // characters of an expression
constexpr int kDeepest = 20;        // groups within groups
constexpr int kMostRepeats = 1000;  // {m,n}

/// Every character that a class, a dot or a complement may stand for.
std::string all_characters() {
  std::string all;
  for (int c = 1; c < 256; ++c)
    if (c != '\n') all += static_cast<char>(c);
  return all;
}

std::string where(bool (*holds)(char)) {
  std::string set;
  for (const char c : all_characters())
    if (holds(c)) set += c;
  return set;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::string complement(const std::string& set) {
  std::string others = all_characters();
  std::erase_if(others, [&](char c) { return set.find(c) != set.npos; });
  return others;
}

/// Whether a word begins or ends before the character at `place`.
bool is_boundary(const std::string& name, size_t place) {
  const bool before = place > 0 && is_word(name[place - 1]);
  return before != (place < name.size() && is_word(name[place]));
}

/// First one, then the other.
template <class Relation>
Relation then(const Relation& first, const Relation& second) {
  Relation both(first.size());
  for (size_t i = 0; i < first.size(); ++i)
    for (size_t j = i; j < second.size(); ++j)
      if (first[i].test(j)) both[i] |= second[j];
  return both;
}

template <class Relation>
void add(const Relation& more, Relation& to) {
  for (size_t i = 0; i < to.size(); ++i) to[i] |= more[i];
}

void check_name(const std::string& name) {
  SCCA_CHECK(name.size() < kLongestName, "a name of ", name.size(), " characters, expected fewer than ",
             kLongestName);
}

}  // namespace

/// A descent over  either := sequence ("|" sequence)*;  sequence := (atom repeat?)*.
class NamePatternParser {
 public:
  NamePatternParser(const std::string& text, NamePattern& to) : text_(text), to_(to) {
    if (text.empty() || text.size() > kLongest) refuse("expected 1 to 1000 characters");
    for (const char c : text)
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e)
        refuse("expected letters, digits and signs of ASCII");
    to_.root_ = either();
    if (!done()) refuse("a ) that closes nothing");
  }

 private:
  using Kind = NamePattern::Node::Kind;

  [[noreturn]] void refuse(const std::string& why) const {
    fail(short_text(Json(text_)), ": ", why,
         "; of regular expressions this program reads letters, \\., ., \\d, \\w, \\s, \\b, [...], (...), "
         "(?=...), (?!...), |, *, +, ?, {m,n}, ^ and $");
  }
  bool done() const { return at_ == text_.size(); }
  bool take(std::string_view what) {
    if (text_.compare(at_, what.size(), what) != 0) return false;
    at_ += what.size();
    return true;
  }
  size_t add(NamePattern::Node node) {
    to_.nodes_.push_back(std::move(node));
    return to_.nodes_.size() - 1;
  }

  size_t either() {
    if (++depth_ > kDeepest) refuse("more than 20 groups within each other");
    NamePattern::Node node{.kind = Kind::either, .children = {sequence()}};
    while (take("|")) node.children.push_back(sequence());
    --depth_;
    return add(std::move(node));
  }

  size_t sequence() {
    NamePattern::Node node{.kind = Kind::sequence};
    while (!done() && text_[at_] != '|' && text_[at_] != ')') node.children.push_back(repeat(atom()));
    return add(std::move(node));
  }

  size_t repeat(size_t part) {
    NamePattern::Node node{.kind = Kind::repeat, .children = {part}};
    if (take("*")) {
      node.most = INT32_MAX;
    } else if (take("+")) {
      node.least = 1, node.most = INT32_MAX;
    } else if (take("?")) {
      node.most = 1;
    } else if (take("{")) {
      node.least = node.most = count();
      if (take(",")) node.most = !done() && text_[at_] == '}' ? INT32_MAX : count();
      if (!take("}") || node.most < node.least) refuse("expected {m}, {m,} or {m,n}");
    } else {
      return part;
    }
    take("?");  // lazy: another way to the same answer
    if (!done() && (text_[at_] == '*' || text_[at_] == '+' || text_[at_] == '?' || text_[at_] == '{'))
      refuse("two repeats in a row");
    return add(std::move(node));
  }

  int count() {
    int number = 0;
    const size_t begin = at_;
    for (; !done() && is_digit(text_[at_]) && number <= kMostRepeats; ++at_)
      number = number * 10 + (text_[at_] - '0');
    if (at_ == begin || number > kMostRepeats) refuse("expected a number of repeats up to 1000");
    return number;
  }

  size_t atom() {
    if (take("(")) return group();
    if (take("[")) return one_of(char_class());
    if (take("^")) return add({.kind = Kind::begin});
    if (take("$")) return add({.kind = Kind::end});
    if (take("\\b")) return add({.kind = Kind::boundary});
    if (take("\\B")) return add({.kind = Kind::no_boundary});
    const char c = text_[at_++];
    if (c == '.') return one_of(all_characters());
    if (c == '\\') return one_of(escape());
    if (std::string_view("*+?{}[]()").find(c) != std::string_view::npos)
      refuse(concat("'", c, "' at character ", at_));
    return one_of(std::string(1, c));
  }

  size_t group() {
    const bool ahead = take("?="), not_ahead = !ahead && take("?!");
    if (!ahead && !not_ahead && take("?") && !take(":")) refuse("(? is not read");
    const size_t inner = either();
    if (!take(")")) refuse("a ( that nothing closes");
    if (!ahead && !not_ahead) return inner;
    return add({.kind = ahead ? Kind::ahead : Kind::not_ahead, .children = {inner}});
  }

  size_t one_of(std::string set) { return add({.kind = Kind::one_of, .set = std::move(set)}); }

  std::string escape() {
    if (done()) refuse("a \\ that nothing follows");
    const char c = text_[at_++];
    if (c == 'd' || c == 'D') return c == 'd' ? where(is_digit) : complement(where(is_digit));
    if (c == 'w' || c == 'W') return c == 'w' ? where(is_word) : complement(where(is_word));
    if (c == 's' || c == 'S') return c == 's' ? where(is_space) : complement(where(is_space));
    if (is_word(c)) refuse(concat("\\", c, " is not read"));
    return std::string(1, c);
  }

  std::string char_class() {
    const bool negated = take("^");
    std::string set;
    if (!done() && text_[at_] == ']') refuse("a [ that a ] follows at once");
    for (bool first = true; !take("]"); first = false) {
      if (done()) refuse("a [ that nothing closes");
      const char c = text_[at_++];
      if (c == '[' || (c == '-' && !first && !done() && text_[at_] != ']'))
        refuse(concat("'", c, "' within [...]"));
      if (c == '\\') {
        set += escape();
      } else if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        const char last = text_[at_ + 1];
        if (!is_word(c) || !is_word(last) || last < c) refuse("a range within [...] that is none");
        at_ += 2;
        for (int next = c; next <= last; ++next) set += static_cast<char>(next);
      } else {
        set += c;
      }
    }
    return negated ? complement(set) : set;
  }

  const std::string& text_;
  NamePattern& to_;
  size_t at_ = 0;
  int depth_ = 0;
};

NamePattern::NamePattern(const std::string& text) { NamePatternParser(text, *this); }

NamePattern::Relation NamePattern::relation(size_t index, const std::string& name) const {
  const Node& node = nodes_[index];
  Relation result(name.size() + 1);
  switch (node.kind) {
    case Node::Kind::one_of:
      for (size_t i = 0; i < name.size(); ++i)
        if (node.set.find(name[i]) != node.set.npos) result[i].set(i + 1);
      return result;
    case Node::Kind::begin:
      result.front().set(0);
      return result;
    case Node::Kind::end:
      result.back().set(name.size());
      return result;
    case Node::Kind::boundary:
    case Node::Kind::no_boundary:
      for (size_t i = 0; i < result.size(); ++i)
        if (is_boundary(name, i) == (node.kind == Node::Kind::boundary)) result[i].set(i);
      return result;
    case Node::Kind::ahead:
    case Node::Kind::not_ahead: {
      const Relation seen = relation(node.children[0], name);
      for (size_t i = 0; i < result.size(); ++i)
        if (seen[i].any() == (node.kind == Node::Kind::ahead)) result[i].set(i);
      return result;
    }
    case Node::Kind::sequence:
      for (size_t i = 0; i < result.size(); ++i) result[i].set(i);
      for (const size_t child : node.children) result = then(result, relation(child, name));
      return result;
    case Node::Kind::either:
      for (const size_t child : node.children) add(relation(child, name), result);
      return result;
    case Node::Kind::repeat:
      break;
  }
  // From one round more on than there are places another leads nowhere new: in so many rounds one at least
  // has stayed where it was, and may do so once more or not at all.
  const Relation once = relation(node.children[0], name);
  const int enough = static_cast<int>(result.size()) + 1;
  const int least = std::min(node.least, enough), most = std::min(node.most, enough);
  Relation now(result.size());
  for (size_t i = 0; i < now.size(); ++i) now[i].set(i);
  for (int round = 0; round <= most; ++round) {
    if (round >= least) add(now, result);
    now = then(now, once);
  }
  return result;
}

bool NamePattern::matches(const std::string& name) const {
  check_name(name);
  return relation(root_, name)[0].test(name.size());
}

bool NamePattern::matches_end(const std::string& name) const {
  check_name(name);
  const Relation from = relation(root_, name);
  for (size_t i = 0; i <= name.size(); ++i)
    if ((i == 0 || name[i - 1] == '.') && from[i].test(name.size())) return true;
  return false;
}

}  // namespace scca
