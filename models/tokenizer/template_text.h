#pragma once
// What a chat template's Jinja text says, without running it.
#include <set>
#include <string>
#include <string_view>

namespace scca {

/// The template whatever its layout: within {{ }} and {% %} without white space between the words, texts in
/// single quotes with line breaks as \n, neighbours joined by + as one, and m['role'] as m.role; comments are
/// gone, and so is the white space that transformers' Jinja takes away (trim_blocks, lstrip_blocks and "-").
std::string compact_template(std::string_view jinja);

/// "<think>", "<|im_end|>", "[INST]": the words in a compact template that are no words of a language.
std::set<std::string> control_words(std::string_view compact);

}  // namespace scca
