#include "core/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
  const size_t zero = path.native().find('\0');  // a name out of JSON; the system would read it up to there
  SCCA_CHECK(zero == std::string::npos, "'", path.native().substr(0, zero),
             "': cannot be read: the name goes on after a zero byte, which no file's name holds");
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

/// Renaming over a device would replace it for the whole machine.
fs::path checked_target(fs::path path) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    fail(path.string(), ": cannot be written: it is ",
         S_ISDIR(status.st_mode) ? "a folder" : "a device or pipe", ", expected a file or nothing there");
  return path;
}

}  // namespace

FileWriter::FileWriter(fs::path path) : temporary_(checked_target(std::move(path)), Temporary::Kind::file) {}

void FileWriter::write(const void* data, size_t bytes) {
  SCCA_CHECK(temporary_.descriptor() >= 0, temporary_.target().string(), ": written after it was closed");
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    // Linux writes at most 2 GiB a call, and may write less than asked.
    const ssize_t written = ::write(temporary_.descriptor(), next, std::min<size_t>(bytes, size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      temporary_.fail("cannot be written whole, so nothing was", written < 0 ? errno : ENOSPC);
    next += written;
    bytes -= static_cast<size_t>(written);
  }
}

void FileWriter::write_at(size_t offset, std::string_view text) {
  SCCA_CHECK(temporary_.descriptor() >= 0, temporary_.target().string(), ": written after it was closed");
  const ssize_t written =
      ::pwrite(temporary_.descriptor(), text.data(), text.size(), static_cast<off_t>(offset));
  if (written != static_cast<ssize_t>(text.size()))
    temporary_.fail("cannot be written whole, so nothing was", written < 0 ? errno : ENOSPC);
}

void FileWriter::commit() {
  SCCA_CHECK(temporary_.descriptor() >= 0, temporary_.target().string(), ": written after it was closed");
  temporary_.become_target();
}

FolderWriter::FolderWriter(fs::path path) : temporary_(std::move(path), Temporary::Kind::folder) {}

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

void refuse_lfs_pointer(const fs::path& path, std::string_view begin) {
  SCCA_CHECK(!begin.starts_with(kLfsPointer), path.string(), ": is ", kLfsName, ", not the file itself; ",
             kLfsAdvice);
}

std::string read_text_file(const fs::path& path) {
  FileReader file(path);
  // A regular file takes its own size and a byte, into which its end is read; what has no size is grown to.
  constexpr size_t kLeast = size_t{1} << 12;
  std::string text(std::max(file.size() + 1, kLeast), '\0');
  for (size_t size = 0;;) {
    if (size == text.size()) text.resize(2 * size);
    const size_t got = file.read(text.data() + size, text.size() - size);
    size += got;
    if (got > 0) continue;
    text.resize(size);
    refuse_lfs_pointer(path, text);
    return text;
  }
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  struct stat status;
  Descriptor file(open_for_reading(path, status));
  SCCA_CHECK(S_ISREG(status.st_mode), path.string(),
             ": cannot be mapped: it is a device or pipe, expected a file");
  const size_t size = static_cast<size_t>(status.st_size);
  void* data = nullptr;
  if (size > 0) {  // mmap refuses an empty range
    data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
    if (data == MAP_FAILED) fail_file(path, "cannot be mapped", errno);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::MappedFile(const fs::path& path, const std::byte* data, size_t size)
    : data_(data), size_(size), named_(data, size, path.string()) {}

void MappedFile::forget(const std::byte* begin, size_t bytes) const {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto first = static_cast<size_t>(begin - data_), end = (first + bytes) / page * page;
  const size_t from = (first + page - 1) / page * page;
  if (from < end) ::madvise(const_cast<std::byte*>(data_) + from, end - from, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace scca
