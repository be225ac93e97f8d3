#pragma once
// Text as Python's str methods see it: LongBench's scores are defined by them, character by character.
#include <string>
#include <string_view>
#include <vector>

namespace scca::longbench {

/// The characters of UTF-8; a byte that is part of none is U+FFFD.
std::u32string characters(std::string_view utf8);

/// str.split(): what lies between runs of white space, Unicode's.
std::vector<std::u32string> words_of(std::u32string_view text);

/// str.lower(), letter by letter. Throws Error on a system without the locale C.UTF-8, whose tables say how.
std::u32string lower(std::u32string text);

/// Part of a word to a regular expression's \w and \b. Throws as lower does.
bool is_word_character(char32_t c);

/// string.punctuation: ASCII's.
bool is_punctuation(char32_t c);

}  // namespace scca::longbench
