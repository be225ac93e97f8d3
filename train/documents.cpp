#include "train/documents.h"

#include <algorithm>

#include "core/check.h"
#include "core/file.h"
#include "models/json.h"
#include "models/utf8.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

bool is_jsonl(const fs::path& file) { return file.extension() == ".jsonl"; }

std::vector<fs::path> files_under(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (entry.is_regular_file() && (path.extension() == ".txt" || is_jsonl(path))) files.push_back(path);
  }
  SCCA_CHECK(!files.empty(), folder.string(), ": this folder holds no .txt and no .jsonl file");
  std::sort(files.begin(), files.end());
  return files;
}

void for_each_line(const fs::path& file, const std::function<void(std::string text)>& take) {
  const auto mapped = MappedFile::open(file);
  std::string_view rest(reinterpret_cast<const char*>(mapped->data()), mapped->size());
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = concat(file.string(), ":", number);
    Json value = parse_json(line, where);
    SCCA_CHECK(value.is_object() && value.contains("text"), where, ": has no \"text\" field");
    SCCA_CHECK(value["text"].is_string(), where, ": \"text\" is ", short_text(value["text"]),
               ", expected a string");
    std::string text = std::move(value["text"].get_ref<std::string&>());
    if (!text.empty()) take(std::move(text));
  }
}

}  // namespace

std::vector<fs::path> data_files(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    SCCA_CHECK(fs::exists(path), path, ": there is no such file or folder");
    if (fs::is_directory(path)) {
      const std::vector<fs::path> inside = files_under(path);
      files.insert(files.end(), inside.begin(), inside.end());
    } else {
      files.push_back(path);
    }
  }
  return files;
}

void for_each_document(const fs::path& file, const std::function<void(std::string text)>& take) {
  if (is_jsonl(file)) return for_each_line(file, take);
  std::string text = read_text_file(file);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  const size_t bad = first_invalid_utf8(text);
  SCCA_CHECK(bad == std::string::npos, file.string(), ": is not UTF-8 at byte ", bad,
             "; convert it first, e.g. iconv -f latin1 -t utf8");
  if (!text.empty()) take(std::move(text));
}

size_t first_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_character(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

}  // namespace scca
