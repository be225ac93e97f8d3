#pragma once
// Files, whole or not at all. What a run leaves behind (a checkpoint, a picture, a JSON file) is either the
// complete new file or what was there before, whatever happens while it is written: kill -9, a full disk, a
// power cut.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/bus_error.h"
#include "core/storage.h"
#include "core/temporary.h"

namespace scca {

/// Writes PATH by way of a temporary beside it (core/temporary.h): write() as often as wanted, then commit(),
/// which forces the bytes to disk, renames, and forces the folder's entry to disk. Destroyed without commit()
/// it leaves PATH as it was, and nothing else. The folder must exist. Where PATH is a link, the link is
/// replaced. Throws Error (path and the system's reason) when something cannot be done, when PATH is there
/// and is not a regular file, and when another process is writing it.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path path);

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Over bytes that are written already.
  void write_at(size_t offset, std::string_view text);
  void commit();

 private:
  Temporary temporary_;
};

/// Makes the folder PATH and all that is to be in it: written under path(), PATH from commit() on. Destroyed
/// without it, it leaves nothing. Throws Error as FileWriter, and when PATH is there and holds anything.
class FolderWriter {
 public:
  explicit FolderWriter(std::filesystem::path path);

  const std::filesystem::path& path() const { return temporary_.path(); }
  void commit() { temporary_.become_target(); }

 private:
  Temporary temporary_;
};

/// The whole of `content` through a FileWriter.
void write_file(const std::filesystem::path& path, std::string_view content);

/// A file, pipe or device read once, from front to end. Throws Error with the path and the system's reason.
class FileReader {
 public:
  explicit FileReader(std::filesystem::path path);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  /// Up to `most` further bytes, and how many they were; 0 at the end alone.
  size_t read(char* to, size_t most);
  /// Bytes of a regular file; 0 of what has no size.
  size_t size() const { return size_; }

 private:
  std::filesystem::path path_;
  int descriptor_;
  size_t size_ = 0;
};

/// git LFS, with which models are fetched: how a file begins that stands for another, what it is, what to do.
inline constexpr std::string_view kLfsPointer = "version https://git-lfs.github.com/spec/v1";
inline constexpr const char kLfsName[] = "a pointer of git LFS",
                            kLfsAdvice[] = "fetch what it points to: git lfs pull";
/// Throws Error when a file that begins with these bytes is a pointer of git LFS, in whose place the file
/// itself was to be fetched.
void refuse_lfs_pointer(const std::filesystem::path& path, std::string_view begin);

/// Every byte of a file. Throws as FileReader, and for a pointer of git LFS.
std::string read_text_file(const std::filesystem::path& path);

/// A file's bytes mapped for reading; pages are loaded when touched and shared with other processes.
/// Replacing the file by a rename, as FileWriter does, changes nothing here. It must not be cut short while
/// it is mapped: see core/bus_error.h.
class MappedFile : public Lender {
 public:
  /// Throws Error with the path and the system's reason.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  ~MappedFile() override;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  /// Pages that lie whole in these bytes leave this process's memory; they are read again when touched.
  void forget(const std::byte* begin, size_t bytes) const;
  void returned(const std::byte* begin, size_t bytes) const override { forget(begin, bytes); }

 private:
  MappedFile(const std::filesystem::path& path, const std::byte* data, size_t size);

  const std::byte* data_;
  size_t size_;
  NamedMapping named_;
};

}  // namespace scca
