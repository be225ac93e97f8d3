#pragma once
// Text for pictures: DejaVu Sans where it is installed (Debian: fonts-dejavu-core), else plain letters built
// in.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace scca {

/// A line of text as ink coverage: coverage[row * width + column], 0 no ink, 255 full ink.
struct TextMask {
  int width = 0, height = 0;
  int baseline = 0;         // the row the letters stand on
  double cap_height = 0.0;  // pixels from the baseline to the top of a capital letter
  std::vector<uint8_t> coverage;
};

class Font {
 public:
  /// A TrueType file; an empty path, or a file that cannot be read as a font, gives the built-in letters.
  explicit Font(const std::string& path);
  ~Font();
  Font(Font&&) noexcept;

  bool built_in() const { return face_ == nullptr; }
  /// Width in pixels of one line of UTF-8 text at `size` pixels per em. The built-in letters are ASCII only
  /// (others show as '?') and scale in whole steps.
  double width(const std::string& text, double size) const;
  TextMask render(const std::string& text, double size) const;

 private:
  struct Face;
  std::unique_ptr<Face> face_;
};

/// The first of the usual places that has a font, looked up once.
const Font& default_font(bool bold = false);

/// The characters of UTF-8 text; a broken byte becomes U+FFFD.
std::vector<uint32_t> code_points(const std::string& utf8);

}  // namespace scca
