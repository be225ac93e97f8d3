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

constexpr const char *kVersion1 = "cgroup", *kVersion2 = "cgroup2";  // as file systems

/// The file names of the two versions.
struct MemoryFiles {
  const char *version, *limit, *used, *dropped_first;
};
constexpr MemoryFiles kMemoryFiles[] = {
    {kVersion1, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
    {kVersion2, "memory.max", "memory.current", "inactive_file"},
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
std::optional<Mount> mount_of(const fs::path& proc, const std::string& version,
                              const std::string& controller) {
  std::ifstream in(proc / "mountinfo");
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> words = words_of(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4 || dash[1] != version) continue;
    if (version == kVersion1 && !has_item(dash[3], controller)) continue;
    return Mount{unescaped(words[4]), unescaped(words[3])};
  }
  return std::nullopt;
}

/// Of the lines "4:memory:/a/b" (version 1) and "0::/a/b" (version 2).
std::optional<fs::path> group_of(const fs::path& proc, const std::string& version,
                                 const std::string& controller) {
  std::ifstream in(proc / "cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = line.substr(0, first) == "0" && controllers.empty();
    if (version == kVersion2 ? unified : has_item(controllers, controller))
      return fs::path(line.substr(second + 1));
  }
  return std::nullopt;
}

/// The process's own group and those above it, as far as they can be seen; none without such a hierarchy.
std::vector<fs::path> groups_of(const fs::path& proc, const std::string& version,
                                const std::string& controller) {
  const std::optional<Mount> mount = mount_of(proc, version, controller);
  const std::optional<fs::path> own = group_of(proc, version, controller);
  if (!mount || !own) return {};
  // Below the group that is mounted; where that is another one, all that can be seen is what is mounted.
  const fs::path below = own->lexically_relative(mount->root);
  fs::path group =
      below.empty() || *below.begin() == ".." ? mount->point : (mount->point / below).lexically_normal();
  std::vector<fs::path> groups;
  for (;; group = group.parent_path()) {
    groups.push_back(group);
    if (group == mount->point || !group.has_relative_path()) return groups;
  }
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
int64_t left_in(const fs::path& group, const MemoryFiles& files) {
  const std::optional<int64_t> limit = number_in(group / files.limit), used = number_in(group / files.used);
  constexpr int64_t kNoLimit = int64_t{1} << 62;  // version 1 has the largest multiple of a page
  if (!limit || !used || *limit >= kNoLimit) return -1;
  const int64_t dropped = number_named(group / "memory.stat", files.dropped_first);
  return std::max<int64_t>(*limit - std::max<int64_t>(*used - dropped, 0), 0);
}

/// Less than nothing where there is no limit. "200000 100000" or "max 100000" in version 2.
double cpus_in(const fs::path& group, const std::string& version) {
  std::optional<int64_t> quota, period;
  if (version == kVersion1) {
    quota = number_in(group / "cpu.cfs_quota_us"), period = number_in(group / "cpu.cfs_period_us");
  } else {
    std::ifstream in(group / "cpu.max");
    if (int64_t most, each; in >> most >> each) quota = most, period = each;
  }
  if (!quota || !period || *quota <= 0 || *period <= 0) return -1;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

/// Of what is not negative, or -1.
template <class Number>
Number tighter(Number a, Number b) {
  return a < 0 ? b : b < 0 ? a : std::min(a, b);
}

}  // namespace

int64_t memory_left_by_control_groups(const fs::path& proc) {
  int64_t least = -1;
  for (const MemoryFiles& files : kMemoryFiles)
    for (const fs::path& group : groups_of(proc, files.version, "memory"))
      least = tighter(least, left_in(group, files));
  return least;
}

double cpus_left_by_control_groups(const fs::path& proc) {
  double least = -1;
  for (const char* version : {kVersion1, kVersion2})
    for (const fs::path& group : groups_of(proc, version, "cpu"))
      least = tighter(least, cpus_in(group, version));
  return least;
}

}  // namespace scca
