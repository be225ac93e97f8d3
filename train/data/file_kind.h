#pragma once
// What a file is that should be text, known by its bytes. A model trained on a .gz learns nothing and says no
// word about it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace scca {

/// Throws Error naming what the file is and the tool that makes text of it, when `beginning` (some kilobytes)
/// shows that it is no text: a compressed file, Parquet, UTF-16, a pointer of git LFS, ...
void refuse_binary(std::string_view beginning, const std::string& name);

/// Throws Error naming the first byte of a file's text that is not UTF-8, or a control character other than
/// tab, line ends, vertical tab and form feed; and what to do, as far as the bytes tell.
void check_text(std::string_view text, const std::string& name);

/// The same of a text that comes block by block, none of which cuts a character.
class TextCheck {
 public:
  explicit TextCheck(std::string name) : name_(std::move(name)) {}

  void add(std::string_view block);
  /// False once something was found; what follows still tells what kind of file it is.
  bool good() const { return !bad_; }
  /// Behind the last block.
  void finish() const;

 private:
  std::string name_;
  size_t size_ = 0, bad_at_ = 0;
  std::optional<uint8_t> bad_;
  struct Census {
    size_t controls = 0, nuls = 0, high = 0, unassigned = 0;  // unassigned: in Windows-1252
    size_t characters = 0, strays = 0;                        // beyond ASCII: whole ones, and bytes of none

    void count(std::string_view text);
    /// A stray control character in much text is a flaw; many, or NULs, are another kind of file.
    bool is_binary(size_t size) const { return nuls > 0 || controls * 1000 > size + 4000; }
  } census_;
};

}  // namespace scca
