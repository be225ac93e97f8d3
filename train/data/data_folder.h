#pragma once
// A folder of texts, as people keep them: with links, hidden files, and much that is no text.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace scca {

struct FolderFiles {
  std::vector<std::filesystem::path> files;  // of texts, sorted by path
  std::map<std::string, int64_t> left_out;   // what it is (".pdf", "hidden", ...), and how many

  /// "12 .pdf, 3 .gz, 2 hidden", the most first; empty when nothing is left out.
  std::string left_out_text() const;
};

/// True when `file` ends with ".jsonl" or the like, in upper or lower case, .gz or .zst behind it aside.
bool has_ending(const std::filesystem::path& file, const std::string& ending);

/// What the endings in a folder must be, for messages.
std::string text_endings();

/// The files of a folder, however deep, that hold texts: *.txt, *.text, *.md, *.jsonl, *.ndjson in upper and
/// lower case, and *.json where it holds texts (why_no_texts, train/data/documents.h); each also packed, as
/// *.txt.gz or *.txt.zst. Links are followed; no folder and no file is read twice, whatever links to it. What
/// begins with a dot is left out with all that is in it. Throws Error naming a folder that cannot be read.
FolderFiles files_of_folder(const std::filesystem::path& folder, const std::string& text_field = "");

}  // namespace scca
