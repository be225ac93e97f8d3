#include "core/temporary.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <random>
#include <utility>

#include "core/check.h"
#include "core/hash.h"
#include "core/unfinished.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

const std::string kMark = ".scca-";
constexpr size_t kDigits = 8;

/// What this temporary is to become; nothing for any other name.
std::optional<std::string> target_of(const std::string& name) {
  const std::string suffix = ".tmp";
  if (name.size() <= kMark.size() + kDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  const size_t mark = name.size() - suffix.size() - kDigits - kMark.size();
  const bool ours =
      name.compare(mark, kMark.size(), kMark) == 0 &&
      name.find_first_not_of("0123456789abcdef", mark + kMark.size()) == name.size() - suffix.size();
  return ours ? std::optional(name.substr(0, mark)) : std::nullopt;
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Another process has this lock. Any other failure is of a file system that has none.
bool lock_is_taken(int descriptor, bool& locked) {
  locked = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  return !locked && errno == EWOULDBLOCK;
}

/// True when `path` still names what is open.
bool still_named(int descriptor, const fs::path& path) {
  struct stat opened, named;
  return ::fstat(descriptor, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

/// Some file systems know no fsync of a folder and say so with EINVAL; there is nothing more to be done
/// there.
int sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = ::fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
  ::close(descriptor);
  return error;
}

/// Ours, and no link.
bool is_of_kind(int descriptor, Temporary::Kind kind) {
  struct stat status;
  return ::fstat(descriptor, &status) == 0 && status.st_uid == ::geteuid() &&
         (kind == Temporary::Kind::file ? S_ISREG(status.st_mode) : S_ISDIR(status.st_mode));
}

/// Removes a temporary of this kind. False when it is being written.
bool remove_leftover(const fs::path& path, Temporary::Kind kind) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return true;
  bool locked = false, taken = false;
  if (is_of_kind(descriptor, kind)) taken = lock_is_taken(descriptor, locked);
  std::error_code ignored;
  if (locked) fs::remove_all(path, ignored);
  ::close(descriptor);
  return !taken;
}

/// A new one, opened; -1 with errno where there is none.
int make_new(const fs::path& path, Temporary::Kind kind) {
  if (kind == Temporary::Kind::file)
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (::mkdir(path.c_str(), 0777) != 0) return -1;
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

}  // namespace

void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!target_of(entry.path().filename().string())) continue;
    remove_leftover(entry.path(),
                    entry.is_directory(error) ? Temporary::Kind::folder : Temporary::Kind::file);
  }
}

Temporary::Temporary(fs::path target, Kind kind) : target_(std::move(target)), kind_(kind) {
  const std::string last = target_.filename().string();
  if (last.empty() || last == "." || last == "..")
    scca::fail("'", target_.string(), "' cannot be written: expected the name of a new file or folder");
  while (!make()) continue;
  bool free = true;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_of(target_), error)) {
    const std::string name = entry.path().filename().string();
    if (name != path_.filename().string() && target_of(name) == last)
      free = remove_leftover(entry.path(), kind_) && free;
  }
  if (free) return;
  remove();
  scca::fail(target_.string(), ": cannot be written: another process is writing it");
}

Temporary::~Temporary() { remove(); }

/// False when the name is taken, or when what was made was removed before it had its lock.
bool Temporary::make() {
  std::random_device random;
  path_ = folder_of(target_) /
          (target_.filename().string() + kMark + hexadecimal(random()).substr(16 - kDigits) + ".tmp");
  int error = 0;
  const bool made = begin_unfinished(path_, [&] {
    descriptor_ = make_new(path_, kind_);
    error = errno;
    bool locked;
    return descriptor_ >= 0 && !lock_is_taken(descriptor_, locked) && still_named(descriptor_, path_);
  });
  if (made) return true;
  if (descriptor_ >= 0)
    ::close(std::exchange(descriptor_, -1));
  else if (error != EEXIST)
    fail("cannot be written", error);
  return false;
}

void Temporary::remove() {
  if (descriptor_ < 0) return;
  end_unfinished(path_, [&] {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    return true;
  });
  ::close(std::exchange(descriptor_, -1));
}

void Temporary::become_target() {
  if (::fsync(descriptor_) != 0 && (kind_ == Kind::file || errno != EINVAL))
    fail("cannot be written whole, so nothing was", errno);
  int error = 0;
  const bool renamed = end_unfinished(path_, [&] {
    const bool done = ::rename(path_.c_str(), target_.c_str()) == 0;
    error = errno;
    return done;
  });
  if (!renamed) fail("cannot be written whole, so nothing was", error);
  ::close(std::exchange(descriptor_, -1));
  error = sync_folder(folder_of(target_));
  if (error != 0) fail("cannot be forced to disk", error);
}

void Temporary::fail(const char* what, int error) {
  remove();
  scca::fail(target_.string(), ": ", what, ": ", std::strerror(error));
}

}  // namespace scca
