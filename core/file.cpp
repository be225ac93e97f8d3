#include "core/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/check.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

/// A descriptor that closes itself.
struct Descriptor {
  explicit Descriptor(int value) : value(value) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value;
};

[[noreturn]] void fail_file(const fs::path& path, const char* what, int error) {
  fail(path.string(), ": ", what, ": ", std::strerror(error));
}

/// Opened for reading; not a folder (which open() itself would accept).
int open_for_reading(const fs::path& path, struct stat& status) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail_file(path, "cannot be read", errno);
  int error = ::fstat(descriptor, &status) == 0 ? 0 : errno;
  if (!error && S_ISDIR(status.st_mode)) error = EISDIR;
  if (error) {
    ::close(descriptor);
    fail_file(path, "cannot be read", error);
  }
  return descriptor;
}

/// Some file systems know no fsync of a folder and say so with EINVAL; there is nothing more to be done
/// there.
void sync_folder(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.value < 0) fail_file(folder, "cannot be opened to force it to disk", errno);
  if (::fsync(descriptor.value) != 0 && errno != EINVAL) fail_file(folder, "cannot be forced to disk", errno);
}

/// True when `path` still names the open file: its last writer may have renamed it after we had opened it.
bool still_named(int descriptor, const fs::path& path) {
  struct stat open_file, named_file;
  return ::fstat(descriptor, &open_file) == 0 && ::stat(path.c_str(), &named_file) == 0 &&
         open_file.st_ino == named_file.st_ino && open_file.st_dev == named_file.st_dev;
}

}  // namespace

FileWriter::FileWriter(fs::path path) : path_(std::move(path)), temporary_(path_) {
  temporary_ += ".tmp";
  struct stat status;
  if (::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    fail(path_.string(), ": cannot be written: it is ",
         S_ISDIR(status.st_mode) ? "a folder" : "a device or pipe", ", expected a file or nothing there");
  for (;;) {
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail_with_reason("cannot be written", errno);
    // The lock ends with its process, so a temporary of a killed run is free to take. File systems without
    // locks are taken at their word.
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(std::exchange(descriptor_, -1));
      fail(path_.string(), ": cannot be written: another process is writing it");
    }
    if (still_named(descriptor_, temporary_)) break;
    ::close(std::exchange(descriptor_, -1));
  }
  if (::ftruncate(descriptor_, 0) != 0) {
    const int error = errno;
    close();
    fail_with_reason("cannot be written", error);
  }
}

FileWriter::~FileWriter() { close(); }

/// Gives up what is not committed.
void FileWriter::close() {
  if (descriptor_ < 0) return;
  ::unlink(temporary_.c_str());
  ::close(std::exchange(descriptor_, -1));
}

void FileWriter::fail_with_reason(const char* what, int error) const { fail_file(path_, what, error); }

void FileWriter::write(const void* data, size_t bytes) {
  SCCA_CHECK(descriptor_ >= 0, path_.string(), ": written after it was closed");
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    // Linux writes at most 2 GiB a call, and may write less than asked.
    const ssize_t written = ::write(descriptor_, next, std::min<size_t>(bytes, size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = written < 0 ? errno : ENOSPC;
      close();
      fail_with_reason("cannot be written whole, so nothing was", error);
    }
    next += written;
    bytes -= static_cast<size_t>(written);
  }
}

void FileWriter::commit() {
  SCCA_CHECK(descriptor_ >= 0, path_.string(), ": written after it was closed");
  if (::fsync(descriptor_) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    close();
    fail_with_reason("cannot be written whole, so nothing was", error);
  }
  ::close(std::exchange(descriptor_, -1));
  sync_folder(path_);
}

void write_file(const fs::path& path, std::string_view content) {
  FileWriter file(path);
  file.write(content);
  file.commit();
}

FileReader::FileReader(fs::path path) : path_(std::move(path)) {
  struct stat status;
  descriptor_ = open_for_reading(path_, status);
  if (S_ISREG(status.st_mode)) size_ = static_cast<size_t>(status.st_size);
}

FileReader::~FileReader() { ::close(descriptor_); }

size_t FileReader::read(char* to, size_t most) {
  for (;;) {
    const ssize_t got = ::read(descriptor_, to, most);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) fail_file(path_, "cannot be read", errno);
  }
}

std::string read_text_file(const fs::path& path) {
  FileReader file(path);
  std::string text;
  text.reserve(file.size() + 1);
  constexpr size_t kBlock = size_t{1} << 20;
  for (size_t size = 0;;) {
    text.resize(size + kBlock);
    const size_t got = file.read(text.data() + size, kBlock);
    text.resize(size += got);
    if (got == 0) return text;
  }
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  struct stat status;
  const Descriptor file(open_for_reading(path, status));
  SCCA_CHECK(S_ISREG(status.st_mode), path.string(),
             ": cannot be mapped: it is a device or pipe, expected a file");
  const size_t size = static_cast<size_t>(status.st_size);
  void* data = nullptr;
  if (size > 0) {  // mmap refuses an empty range
    data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
    if (data == MAP_FAILED) fail_file(path, "cannot be mapped", errno);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace scca
