#pragma once
// A file or pipe of text, packed or not, looked at before it is read: as lines, or whole.
#include <filesystem>
#include <string>
#include <string_view>

#include "train/data/unpacked_file.h"

namespace scca {

/// `text` without the byte-order mark that a file may begin with.
std::string without_mark(std::string text);

class TextSource {
 public:
  /// Throws Error when it cannot be read, and as refuse_binary (train/data/file_kind.h).
  explicit TextSource(const std::filesystem::path& path);

  const std::string& name() const { return name_; }
  /// What it begins with, without a byte-order mark: 64 KiB, less of what is shorter.
  const std::string& beginning() const { return beginning_; }

  /// The next line without its end, which is LF, CR LF or CR; false at the end. `line` is good until the next
  /// call.
  bool next_line(std::string_view& line);
  /// Of the line that next_line gave, from 1.
  int64_t line_number() const { return line_number_; }

  /// Appends a block of what is not given out yet; false at the end.
  bool next_block(std::string& to);
  /// All that is not given out yet; a byte-order mark at the file's beginning belongs to it.
  std::string rest();

 private:
  bool read_more();

  std::string name_;
  UnpackedFile file_;
  std::string beginning_;
  std::string buffer_;  // what is read, of which the first at_ bytes are given out
  size_t at_ = 0;
  int64_t line_number_ = 0;
  bool ended_ = false;
};

}  // namespace scca
