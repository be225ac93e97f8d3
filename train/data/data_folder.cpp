#include "train/data/data_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "core/check.h"
#include "train/data/documents.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kEndings{".txt", ".text", ".md", ".jsonl", ".ndjson"};

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// a.txt of a.txt.gz
fs::path without_packing(const fs::path& file) {
  const std::string last = lower(file.extension().string());
  return last == ".gz" || last == ".zst" ? file.parent_path() / file.stem() : file;
}

/// One walk: what a link leads to is known by its device and number.
class Walk {
 public:
  explicit Walk(const std::string& text_field) : text_field_(text_field) {}

  FolderFiles found;

  void enter(const fs::path& folder) {
    struct stat status;
    if (::stat(folder.c_str(), &status) != 0 || !is_new(status))
      return leave_out("link to what is read already");
    std::error_code error;
    std::vector<fs::path> entries;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
      entries.push_back(entry->path());
    SCCA_CHECK(!error, folder.string(), ": cannot be read: ", error.message());
    std::sort(entries.begin(), entries.end());
    for (const fs::path& path : entries) take(path);
  }

 private:
  void take(const fs::path& path) {
    struct stat status;
    if (path.filename().string().starts_with('.')) return leave_out("hidden");
    if (::stat(path.c_str(), &status) != 0) return leave_out("link to nothing");
    if (S_ISDIR(status.st_mode)) return enter(path);
    if (!S_ISREG(status.st_mode)) return leave_out("device or pipe");
    const std::string ending = lower(without_packing(path).extension().string());
    const bool known = std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
    if (!known && ending != ".json") {
      const std::string last = lower(path.extension().string());
      return leave_out(last.empty() ? "without ending" : last);
    }
    if (!known)
      if (const std::string why = why_no_texts(path, text_field_); !why.empty())
        return leave_out(".json " + why);
    if (!is_new(status)) return leave_out("link to what is read already");
    found.files.push_back(path);
  }

  bool is_new(const struct stat& status) { return seen_.emplace(status.st_dev, status.st_ino).second; }
  void leave_out(const std::string& what) { ++found.left_out[what]; }

  const std::string& text_field_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

}  // namespace

std::string FolderFiles::left_out_text() const {
  constexpr size_t kMost = 8;
  std::vector<std::pair<std::string, int64_t>> kinds(left_out.begin(), left_out.end());
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  int64_t others = 0;
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (i < kMost)
      text += concat(i ? ", " : "", kinds[i].second, " ", kinds[i].first.substr(0, 40));
    else
      others += kinds[i].second;
  }
  return others > 0 ? concat(text, " and ", others, " more") : text;
}

bool has_ending(const fs::path& file, const std::string& ending) {
  return lower(without_packing(file).extension().string()) == ending;
}

std::string text_endings() {
  std::string text;
  for (const std::string& ending : kEndings) text += ending + ", ";
  return text + "and .json with texts";
}

FolderFiles files_of_folder(const fs::path& folder, const std::string& text_field) {
  Walk walk(text_field);
  walk.enter(folder);
  std::sort(walk.found.files.begin(), walk.found.files.end());
  return std::move(walk.found);
}

}  // namespace scca
