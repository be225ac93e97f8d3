#pragma once
// A file as it would be unpacked: gzip (RFC 1952) and Zstandard (RFC 8878), which large texts come in.
#include <cstddef>
#include <filesystem>
#include <memory>

namespace scca {

/// Reads from front to end what a file, pipe or device holds, or what is packed in it: its first bytes say
/// which. Packed parts one behind the other (gzip members, Zstandard frames) are read as one.
class UnpackedFile {
 public:
  /// Throws Error with the path and the system's reason.
  explicit UnpackedFile(const std::filesystem::path& path);
  ~UnpackedFile();
  UnpackedFile(UnpackedFile&&) noexcept;

  /// Up to `most` further bytes, and how many they were; 0 at the end alone. Throws Error for packed data
  /// that are damaged, cut short or followed by something else, and for data that unpack to kMostRatio times
  /// their bytes and more, so that no small file fills the memory.
  size_t read(char* to, size_t most);

  /// What gzip can come to at the most; Zstandard could go on without end.
  static constexpr size_t kMostRatio = 1100;

 private:
  class Source;
  std::unique_ptr<Source> source_;
};

}  // namespace scca
