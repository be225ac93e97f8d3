#include "core/unfinished.h"

#include <mutex>
#include <set>
#include <system_error>

namespace scca {
namespace {

struct Registry {
  std::mutex mutex;
  std::set<std::filesystem::path> paths;
};

/// Never destroyed: a signal may come while the process ends.
Registry& registry() {
  static auto* all = new Registry;
  return *all;
}

}  // namespace

bool begin_unfinished(const std::filesystem::path& path, const std::function<bool()>& make) {
  std::error_code ignored;
  const std::lock_guard lock(registry().mutex);
  if (!make()) return false;
  registry().paths.insert(std::filesystem::absolute(path, ignored));
  return true;
}

bool end_unfinished(const std::filesystem::path& path, const std::function<bool()>& end) {
  std::error_code ignored;
  const std::lock_guard lock(registry().mutex);
  if (!end()) return false;
  registry().paths.erase(std::filesystem::absolute(path, ignored));
  return true;
}

void remove_unfinished() noexcept {
  registry().mutex.lock();  // and not let go
  std::error_code ignored;
  for (const std::filesystem::path& path : registry().paths) std::filesystem::remove_all(path, ignored);
}

}  // namespace scca
