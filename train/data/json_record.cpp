#include "train/data/json_record.h"

#include <algorithm>

#include "core/check.h"

namespace scca {
namespace {

/// Walks over JSON by its structure, in a loop: brackets are matched on a list, not by recursion.
class Skimmer {
 public:
  Skimmer(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  bool at_end() const { return at_ == text_.size(); }
  char next() const { return at_end() ? '\0' : text_[at_]; }

  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  /// Past `c`, if it stands here.
  bool take(char c) {
    skip_blanks();
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void need(char c, const char* expected) {
    if (!take(c)) wrong(expected);
  }

  void need_end(const char* what) {
    skip_blanks();
    if (!at_end()) wrong(what);
  }

  /// The string that begins here, quotes and all.
  std::string_view string(const char* expected) {
    skip_blanks();
    if (next() != '"') wrong(expected);
    const size_t begin = at_++;
    while (!at_end() && text_[at_] != '"' && text_[at_] != '\n')
      at_ = std::min(at_ + (text_[at_] == '\\' ? 2 : 1), text_.size());
    if (next() != '"') {
      at_ = begin;
      wrong("a string that ends on its line");
    }
    ++at_;
    return text_.substr(begin, at_ - begin);
  }

  /// The value that begins here.
  std::string_view value() {
    skip_blanks();
    const size_t begin = at_;
    if (next() == '"') {
      string("a string");
    } else if (next() == '{' || next() == '[') {
      skip_brackets();
    } else {
      skip_word();
    }
    return text_.substr(begin, at_ - begin);
  }

  [[noreturn]] void wrong(const char* expected) const {
    const std::string_view before = text_.substr(0, at_);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t column = at_ - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    const std::string found =
        at_end() ? "the end"
                 : short_text(std::string(text_.substr(at_, std::min<size_t>(text_.size() - at_, 30))));
    fail(where_, ": as JSON: ", line > 1 ? concat("line ", line, ", ") : "", "column ", column, ": expected ",
         expected, ", found ", found);
  }

 private:
  void skip_brackets() {
    std::string open;  // the brackets that close
    do {
      const char c = next();
      if (c == '"') {
        string("a string");
        continue;
      }
      if (at_end()) wrong(open.back() == '}' ? "a } for every {" : "a ] for every [");
      if (c == '{' || c == '[') open += c == '{' ? '}' : ']';
      if (c == '}' || c == ']') {
        if (c != open.back()) wrong(open.back() == '}' ? "a } for the last {" : "a ] for the last [");
        open.pop_back();
      }
      ++at_;
    } while (!open.empty());
  }

  void skip_word() {
    const size_t begin = at_;
    const auto belongs = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
             c == '-' || c == '.';
    };
    while (!at_end() && belongs(text_[at_])) ++at_;
    if (at_ == begin) wrong("a value");
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

/// Is `written`, a key with its quotes, `key`?
bool is_key(std::string_view written, const std::string& key) {
  const std::string_view inside = written.substr(1, written.size() - 2);
  if (inside.find('\\') == inside.npos) return inside == key;
  try {
    return parse_json(written, "a key") == key;
  } catch (const Error&) {
    return false;  // no key that anyone asks for
  }
}

/// Past blanks, a string in either quote (Python prints its own with '), and blanks; false when there is
/// none. A string that goes on beyond the end is whole: `rest` is empty then.
bool skip_string(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
  if (rest.empty() || (rest[0] != '"' && rest[0] != '\'')) return false;
  size_t at = 1;
  while (at < rest.size() && rest[at] != rest[0]) {
    if (rest[at] == '\n' || rest[at] == '\r') return false;
    at += rest[at] == '\\' ? 2 : 1;
  }
  rest.remove_prefix(std::min(at + 1, rest.size()));
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
  return true;
}

/// Past blanks and `c`.
bool skip(std::string_view& rest, char c) {
  const size_t at = rest.find_first_not_of(" \t\r\n");
  if (at == rest.npos || rest[at] != c) return false;
  rest.remove_prefix(at + 1);
  return true;
}

}  // namespace

JsonRecord::JsonRecord(std::string_view text, std::string where) : where_(std::move(where)) {
  Skimmer skimmer(text, where_);
  skimmer.need('{', "an object");
  if (!skimmer.take('}')) {
    do {
      const std::string_view key = skimmer.string("a field's name in double quotes");
      skimmer.need(':', "a colon after the field's name");
      fields_.emplace_back(key, skimmer.value());
    } while (skimmer.take(','));
    skimmer.need('}', "a comma or the object's end");
  }
  skimmer.need_end("nothing after the object");
}

Json JsonRecord::fields(const std::vector<std::string>& wanted) const {
  Json found = Json::object();
  for (const std::string& name : wanted) {
    for (const auto& [key, value] : fields_) {
      if (!is_key(key, name)) continue;
      SCCA_CHECK(!found.contains(name), where_, ": the key ", short_text(name), " comes twice");
      found[name] = parse_json(value, concat(where_, ": ", short_text(name)));
    }
  }
  return found;
}

bool JsonRecord::has(const std::string& name) const {
  return std::ranges::any_of(fields_, [&](const auto& field) { return is_key(field.first, name); });
}

std::string JsonRecord::names() const {
  constexpr size_t kMost = 8, kLongest = 40;
  std::string names;
  for (size_t i = 0; i < std::min(fields_.size(), kMost); ++i) {
    const std::string_view key = fields_[i].first.substr(1, fields_[i].first.size() - 2);
    names += (i ? ", " : "") + short_text(std::string(key.substr(0, kLongest)));
  }
  if (fields_.size() > kMost) names += concat(" and ", fields_.size() - kMost, " more");
  return names.empty() ? "no field at all" : names;
}

std::vector<std::string_view> json_elements(std::string_view array, const std::string& where) {
  std::vector<std::string_view> elements;
  Skimmer skimmer(array, where);
  skimmer.need('[', "an array");
  if (!skimmer.take(']')) {
    do elements.push_back(skimmer.value());
    while (skimmer.take(','));
    skimmer.need(']', "a comma or the array's end");
  }
  skimmer.need_end("nothing after the array");
  return elements;
}

bool begins_as_objects(std::string_view beginning) {
  if (!skip(beginning, '{')) return false;
  std::string_view empty = beginning;
  if (skip(empty, '}')) return true;
  return skip_string(beginning) && (beginning.empty() || beginning[0] == ':');
}

bool begins_as_array(std::string_view beginning) {
  if (!skip(beginning, '[')) return false;
  std::string_view empty = beginning;
  if (skip(empty, ']')) return empty.find_first_not_of(" \t\r\n") == empty.npos;
  if (begins_as_objects(beginning)) return true;
  return skip_string(beginning) && (beginning.empty() || beginning[0] == ',' || beginning[0] == ']');
}

}  // namespace scca
