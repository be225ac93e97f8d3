#pragma once
// UTF-8 as Unicode defines it (chapter 3.9, table 3-7): no surrogates, no overlong forms, nothing past
// 10FFFF.
#include <cstddef>
#include <string>
#include <string_view>

namespace scca {

/// Bytes of the character that `text` begins with; 0 when it begins with none, because its first byte begins
/// no character or a later one cannot follow, or because it ends too early.
size_t utf8_character(std::string_view text);

/// The code point of a whole character.
char32_t code_point(std::string_view character);

/// `text` with U+FFFD for every byte that is part of no character.
std::string valid_utf8(std::string_view text);

/// `text` for a terminal: what would steer it becomes \x1b or \u{202e}. That is control characters (newline
/// and tab stay), bytes that are part of no character, and characters that turn the writing around or break
/// lines.
std::string printable(std::string_view text);

/// True when the end of `text`, read from its start as valid_utf8 reads it, may be a character's beginning.
bool ends_within_character(std::string_view text);

}  // namespace scca
