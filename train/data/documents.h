#pragma once
// The texts that models are trained and judged on, as they lie on disk: text files (one document each), JSONL
// (one document a line, in its `text` field, as RedPajama has it), JSON arrays of strings or of objects with
// a `text` field, and folders of these. Which of them a file is, its content says; pipes will do.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/text_form.h"

namespace scca {

/// The files behind `paths`, in order: a folder stands for its files of texts (train/data/data_folder.h),
/// sorted by path, of which `note` hears what is left out. Throws Error naming a path that is not there, or a
/// folder that holds no such file.
std::vector<std::filesystem::path> data_files(const std::vector<std::string>& paths,
                                              const std::function<void(const std::string&)>& note = {});

using TakeDocument = std::function<void(std::string text)>;

/// take(text) for every document of a file that has any text, brought into `form`. Throws Error naming the
/// file and line (JSONL), record (an array) or byte (text) of what is not JSON, has no text or an ambiguous
/// one, is not UTF-8 or no text at all (train/data/file_kind.h).
void for_each_document(const std::filesystem::path& file, const TakeDocument& take, TextForm& form);
void for_each_document(const std::filesystem::path& file, const TakeDocument& take);

/// True when the file is JSON and its first record has a text.
bool holds_texts(const std::filesystem::path& file);

/// The whole of a text file, whatever it may be besides text: a prompt. Throws Error as for_each_document.
std::string read_text(const std::filesystem::path& file, TextForm& form);

/// Where `text` stops being UTF-8 (models/tokenizer/utf8.h); npos when it is all UTF-8.
size_t first_invalid_utf8(std::string_view text);

}  // namespace scca
