#pragma once
// Files, whole or not at all. What a run leaves behind (a checkpoint, a picture, a JSON file) is either the
// complete new file or what was there before, whatever happens while it is written: kill -9, a full disk, a
// power cut.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace scca {

/// Writes PATH by way of PATH.tmp in the same folder: write() as often as wanted, then commit(), which forces
/// the bytes to disk, renames, and forces the folder's entry to disk. Destroyed without commit() it removes
/// PATH.tmp and leaves PATH as it was. A PATH.tmp left by a killed process is written over. The folder must
/// exist.
/// Throws Error (path and the system's reason) when something cannot be done, when PATH is there and is not a
/// regular file, and when another process is writing it.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  void close();
  [[noreturn]] void fail_with_reason(const char* what, int error) const;

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
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

/// Every byte of a file. Throws as FileReader.
std::string read_text_file(const std::filesystem::path& path);

/// A file's bytes mapped for reading; pages are loaded when touched and shared with other processes. The file
/// must not be cut short while it is mapped (replacing it by a rename, as FileWriter does, is safe).
class MappedFile {
 public:
  /// Throws Error with the path and the system's reason.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}

  const std::byte* data_;
  size_t size_;
};

}  // namespace scca
