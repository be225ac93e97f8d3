#pragma once
// A picture in memory: smooth lines, rectangles, text, and a PNG at the end. x goes right and y goes down, in
// pixels; pixel (i, j) covers [i, i+1) x [j, j+1). Whatever falls outside the picture is clipped.
#include <cstdint>
#include <string>
#include <vector>

namespace scca {

struct Color {
  uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Color&) const = default;
};

/// a at share = 0, b at share = 1; share is clamped.
Color mix(Color a, Color b, double share);

namespace colors {
inline constexpr Color kWhite{255, 255, 255}, kBlack{0, 0, 0}, kInk{38, 38, 38}, kGrey{110, 110, 110},
    kGrid{226, 226, 226};
// Okabe and Ito's palette: told apart with every common form of colour blindness, and in this order also in
// grey. (Their yellow is left out: a thin yellow line on white cannot be seen.)
inline constexpr Color kSeries[] = {{0, 114, 178}, {213, 94, 0},   {0, 158, 115}, {204, 121, 167},
                                    {230, 159, 0}, {86, 180, 233}, {0, 0, 0}};
inline constexpr int kSeriesCount = 7;
}  // namespace colors

struct Point {
  double x = 0, y = 0;
};

enum class Align { left, center, right };

struct TextStyle {
  double size = 15;  // pixels per em
  Color color = colors::kInk;
  Align align = Align::left;
  bool bold = false;
  bool upwards = false;  // turned by a quarter: reads from bottom to top
};

class Canvas {
 public:
  /// Throws Error when a side is not in [1, 16384].
  Canvas(int width, int height, Color background = colors::kWhite);

  int width() const { return width_; }
  int height() const { return height_; }
  Color pixel(int x, int y) const;

  /// Lays the colour over one pixel with this opacity.
  void blend(int x, int y, Color color, double opacity = 1);
  /// Edges may fall between pixels and are then smooth.
  void rect(double x0, double y0, double x1, double y1, Color color, double opacity = 1);
  /// An unfilled frame of one-pixel lines, just inside the rectangle.
  void frame(int x0, int y0, int x1, int y1, Color color);
  void line(Point from, Point to, double thickness, Color color, double opacity = 1);
  /// One line through all the points, with round joints; where it crosses itself it is not darker.
  /// `dash` > 0 draws dashes of that many pixels with gaps half as long, but wide enough to be seen.
  void polyline(const std::vector<Point>& points, double thickness, Color color, double opacity = 1,
                double dash = 0);
  void disc(Point center, double radius, Color color, double opacity = 1);

  /// One line of UTF-8 text. `at` is where it is anchored: horizontally by `align`, vertically at half the
  /// height of its capital letters (and the other way round when it reads upwards).
  void text(Point at, const std::string& text, const TextStyle& style);
  static double text_width(const std::string& text, const TextStyle& style);
  /// The text as it is, or cut with "..." so that it is at most `width` pixels wide.
  static std::string fit_text(const std::string& text, double width, const TextStyle& style);
  /// The text broken at spaces into lines of at most `width` pixels; a word that is too long is cut.
  static std::vector<std::string> wrap_text(const std::string& text, double width, const TextStyle& style);

  /// Whole or not at all. Throws Error naming the path and the reason.
  void write_png(const std::string& path) const;

 private:
  uint8_t* at(int x, int y) { return &pixels_[3 * (static_cast<size_t>(y) * width_ + x)]; }
  const uint8_t* at(int x, int y) const { return &pixels_[3 * (static_cast<size_t>(y) * width_ + x)]; }

  int width_, height_;
  std::vector<uint8_t> pixels_;  // rows of r, g, b
};

}  // namespace scca
