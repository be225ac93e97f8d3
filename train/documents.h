#pragma once
// The texts that models are trained and judged on, as they lie on disk: text files (one document each), JSONL
// (one document a line, in its `text` field, as RedPajama has it), and folders of both.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

/// The files behind `paths`, in order: a folder stands for its *.txt and *.jsonl files, however deep, sorted
/// by path. Throws Error naming a path that is not there, or a folder that holds no such file.
std::vector<std::filesystem::path> data_files(const std::vector<std::string>& paths);

/// take(text) for every document of a file that has any text; a byte-order mark is dropped. Throws Error
/// naming the file and line (JSONL) or byte (text) of what is not JSON, has no text, or is not UTF-8.
void for_each_document(const std::filesystem::path& file, const std::function<void(std::string text)>& take);

/// Where `text` stops being UTF-8 (models/utf8.h); npos when it is all UTF-8.
size_t first_invalid_utf8(std::string_view text);

}  // namespace scca
