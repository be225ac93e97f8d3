#pragma once
// The documents that models are trained and judged on, as they lie on disk: text files (one document each),
// JSONL (one a line), JSON arrays of strings or of objects, and folders of these. Which of them a file is,
// its content says; pipes will do. What an object says is train/data/record_form.h's.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/text_form.h"
#include "train/data/document.h"
#include "train/data/text_parts.h"

namespace scca {

/// The files behind `paths`, in order: a folder stands for its files of texts (train/data/data_folder.h; of
/// JSON by their `text_field`, where there is one), sorted by path, of which `note` hears what is left out.
/// Throws Error naming a path that is not there, or a folder that holds no such file, and as why_no_texts.
std::vector<std::filesystem::path> data_files(const std::vector<std::string>& paths,
                                              const std::string& text_field,
                                              const std::function<void(const std::string&)>& note = {});

/// How files are read.
struct DocumentForm {
  explicit DocumentForm(bool keep_line_ends = false, std::string text_field = "")
      : text(keep_line_ends), text_field(std::move(text_field)) {}

  TextForm text;           // what all texts are brought into
  std::string text_field;  // of a JSON record; empty: by the record's form
  CutText cut = {};        // a text that is longer than part_bytes comes in parts; empty: whole
  size_t part_bytes = kPartBytes;
};

using TakeDocument = std::function<void(Document document)>;

/// take(document) for every document of a file that has any text, brought into `form`; for the parts of a
/// long text one behind the other. Throws Error naming the file and line (JSONL), record (an array) or byte
/// (text) of what is not JSON, has no text or an ambiguous one, is not UTF-8 or no text at all
/// (train/data/file_kind.h).
void for_each_document(const std::filesystem::path& file, const TakeDocument& take, DocumentForm& form);
void for_each_document(const std::filesystem::path& file, const TakeDocument& take);

/// Of a .json file in a folder, where some are no texts: why this one is none ("without texts", "that cannot
/// be read"), or nothing where it begins with a record of texts. Throws Error, as for_each_document, for an
/// array of records that cannot be read: it is meant to be.
std::string why_no_texts(const std::filesystem::path& file, const std::string& text_field);

/// The whole of a text file, whatever it may be besides text: a prompt. Throws Error as for_each_document.
std::string read_text(const std::filesystem::path& file, TextForm& form);

/// Where `text` stops being UTF-8 (models/tokenizer/utf8.h); npos when it is all UTF-8.
size_t first_invalid_utf8(std::string_view text);

}  // namespace scca
