#include "core/control_group.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace scca {
namespace {

namespace fs = std::filesystem;

/// The file names of the two versions.
struct Version {
  const char *filesystem, *limit, *used, *dropped_first;
};
constexpr Version kVersions[] = {
    {"cgroup", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
    {"cgroup2", "memory.max", "memory.current", "inactive_file"},
};

/// Where a hierarchy is mounted, and which of its groups is there (a container may see only its own).
struct Mount {
  fs::path point, root;
};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// "\040" in /proc stands for a space.
std::string unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool octal =
        text[i] == '\\' && i + 3 < text.size() && text.find_first_not_of("01234567", i + 1) >= i + 4;
    out += octal ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (octal) i += 3;
  }
  return out;
}

bool has_item(const std::string& list, const std::string& item) {
  return ("," + list + ",").find("," + item + ",") != std::string::npos;
}

/// Of the lines "36 35 98:0 ROOT POINT options - TYPE source super-options".
std::optional<Mount> mount_of(const fs::path& proc, const Version& version) {
  std::ifstream in(proc / "mountinfo");
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> words = words_of(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4 || dash[1] != version.filesystem) continue;
    if (dash[1] == "cgroup" && !has_item(dash[3], "memory")) continue;
    return Mount{unescaped(words[4]), unescaped(words[3])};
  }
  return std::nullopt;
}

/// Of the lines "4:memory:/a/b" (version 1) and "0::/a/b" (version 2).
std::optional<fs::path> group_of(const fs::path& proc, const Version& version) {
  std::ifstream in(proc / "cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = line.substr(0, first) == "0" && controllers.empty();
    if (version.filesystem == std::string("cgroup2") ? unified : has_item(controllers, "memory"))
      return fs::path(line.substr(second + 1));
  }
  return std::nullopt;
}

std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  int64_t value;
  return in >> value ? std::optional(value) : std::nullopt;  // "max" is no number
}

int64_t number_named(const fs::path& file, const std::string& name) {
  std::ifstream in(file);
  std::string key;
  for (int64_t value; in >> key >> value;)
    if (key == name) return value;
  return 0;
}

/// Less than nothing where there is no limit.
int64_t left_in(const fs::path& group, const Version& version) {
  const std::optional<int64_t> limit = number_in(group / version.limit),
                               used = number_in(group / version.used);
  constexpr int64_t kNoLimit = int64_t{1} << 62;  // version 1 has the largest multiple of a page
  if (!limit || !used || *limit >= kNoLimit) return -1;
  const int64_t dropped = number_named(group / "memory.stat", version.dropped_first);
  return std::max<int64_t>(*limit - std::max<int64_t>(*used - dropped, 0), 0);
}

}  // namespace

int64_t memory_left_by_control_groups(const fs::path& proc) {
  int64_t least = -1;
  for (const Version& version : kVersions) {
    const std::optional<Mount> mount = mount_of(proc, version);
    const std::optional<fs::path> own = group_of(proc, version);
    if (!mount || !own) continue;
    // Below the group that is mounted; where that is another one, all that can be seen is what is mounted.
    const fs::path below = own->lexically_relative(mount->root);
    fs::path group =
        below.empty() || *below.begin() == ".." ? mount->point : (mount->point / below).lexically_normal();
    for (;; group = group.parent_path()) {
      const int64_t left = left_in(group, version);
      if (left >= 0) least = least < 0 ? left : std::min(least, left);
      if (group == mount->point || !group.has_relative_path()) break;
    }
  }
  return least;
}

}  // namespace scca
