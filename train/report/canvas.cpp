#include "train/report/canvas.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/check.h"
#include "core/file.h"
#include "train/report/font.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

namespace scca {
namespace {

/// The dashes of a polyline, and the gaps between them, measured along it.
std::vector<std::vector<Point>> cut_dashes(const std::vector<Point>& points, double dash, double gap) {
  std::vector<std::vector<Point>> strokes;
  double left = dash;  // of the present dash or gap
  bool drawing = true;
  std::vector<Point> stroke = {points.front()};
  for (size_t i = 1; i < points.size(); ++i) {
    Point from = points[i - 1], to = points[i];
    double length = std::hypot(to.x - from.x, to.y - from.y), done = 0;
    while (length - done > left) {
      done += left;
      Point cut{from.x + (to.x - from.x) * done / length, from.y + (to.y - from.y) * done / length};
      if (drawing) {
        stroke.push_back(cut);
        strokes.push_back(std::move(stroke));
        stroke.clear();
      } else {
        stroke = {cut};
      }
      drawing = !drawing;
      left = drawing ? dash : gap;
    }
    left -= length - done;
    if (drawing) stroke.push_back(to);
  }
  if (drawing && !stroke.empty()) strokes.push_back(std::move(stroke));
  return strokes;
}

double distance_to_segment(Point p, Point a, Point b) {
  double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
  double t = length2 > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length2, 0.0, 1.0) : 0.0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

void append_bytes(void* context, void* data, int size) {
  auto* bytes = static_cast<unsigned char*>(data);
  auto* out = static_cast<std::vector<unsigned char>*>(context);
  out->insert(out->end(), bytes, bytes + size);
}

}  // namespace

Color mix(Color a, Color b, double share) {
  share = std::clamp(share, 0.0, 1.0);
  auto channel = [&](uint8_t x, uint8_t y) { return static_cast<uint8_t>(std::lround(x + (y - x) * share)); };
  return {channel(a.r, b.r), channel(a.g, b.g), channel(a.b, b.b)};
}

Canvas::Canvas(int width, int height, Color background) : width_(width), height_(height) {
  SCCA_CHECK(width >= 1 && height >= 1 && width <= 16384 && height <= 16384, "canvas: size is ", width, " x ",
             height, ", expected 1 to 16384 pixels a side");
  pixels_.resize(3 * static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) blend(x, y, background);
}

Color Canvas::pixel(int x, int y) const {
  SCCA_CHECK(x >= 0 && x < width_ && y >= 0 && y < height_, "canvas: pixel (", x, ", ", y,
             ") lies outside the picture of ", width_, " x ", height_);
  const uint8_t* p = at(x, y);
  return {p[0], p[1], p[2]};
}

void Canvas::blend(int x, int y, Color color, double opacity) {
  if (x < 0 || x >= width_ || y < 0 || y >= height_) return;
  uint8_t* p = at(x, y);
  Color mixed = mix({p[0], p[1], p[2]}, color, opacity);
  p[0] = mixed.r, p[1] = mixed.g, p[2] = mixed.b;
}

void Canvas::rect(double x0, double y0, double x1, double y1, Color color, double opacity) {
  auto overlap = [](int pixel, double low, double high) {
    return std::max(0.0, std::min(pixel + 1.0, high) - std::max<double>(pixel, low));
  };
  x0 = std::max(x0, 0.0), y0 = std::max(y0, 0.0);
  x1 = std::min<double>(x1, width_), y1 = std::min<double>(y1, height_);
  for (int y = static_cast<int>(std::floor(y0)); y < y1; ++y)
    for (int x = static_cast<int>(std::floor(x0)); x < x1; ++x)
      blend(x, y, color, opacity * overlap(x, x0, x1) * overlap(y, y0, y1));
}

void Canvas::frame(int x0, int y0, int x1, int y1, Color color) {
  rect(x0, y0, x1, y0 + 1, color);
  rect(x0, y1 - 1, x1, y1, color);
  rect(x0, y0, x0 + 1, y1, color);
  rect(x1 - 1, y0, x1, y1, color);
}

void Canvas::line(Point from, Point to, double thickness, Color color, double opacity) {
  polyline({from, to}, thickness, color, opacity);
}

void Canvas::polyline(const std::vector<Point>& points, double thickness, Color color, double opacity,
                      double dash) {
  if (points.empty()) return;
  double reach = thickness / 2 + 1;
  Point low = points[0], high = points[0];
  for (Point p : points) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  auto pixel_of = [](double v, int limit) {
    return static_cast<int>(std::floor(std::clamp(v, -1.0, static_cast<double>(limit))));
  };
  int left = std::max(0, pixel_of(low.x - reach, width_)),
      top = std::max(0, pixel_of(low.y - reach, height_));
  int columns = pixel_of(high.x + reach, width_ - 1) - left + 1;
  int rows = pixel_of(high.y + reach, height_ - 1) - top + 1;
  if (columns <= 0 || rows <= 0) return;

  // The ink is collected first and laid on once, so that joints and crossings are no darker than the rest.
  std::vector<float> ink(static_cast<size_t>(columns) * rows, 0.0f);
  auto draw = [&](Point a, Point b) {
    int x0 = std::max(left, pixel_of(std::min(a.x, b.x) - reach, width_));
    int x1 = std::min(left + columns - 1, pixel_of(std::max(a.x, b.x) + reach, width_));
    int y0 = std::max(top, pixel_of(std::min(a.y, b.y) - reach, height_));
    int y1 = std::min(top + rows - 1, pixel_of(std::max(a.y, b.y) + reach, height_));
    for (int y = y0; y <= y1; ++y) {
      for (int x = x0; x <= x1; ++x) {
        double d = distance_to_segment({x + 0.5, y + 0.5}, a, b);
        auto covered = static_cast<float>(std::clamp(thickness / 2 + 0.5 - d, 0.0, 1.0));
        float& cell = ink[static_cast<size_t>(y - top) * columns + (x - left)];
        cell = std::max(cell, covered);
      }
    }
  };
  auto draw_stroke = [&](const std::vector<Point>& stroke) {
    if (stroke.size() == 1) draw(stroke[0], stroke[0]);
    for (size_t i = 1; i < stroke.size(); ++i) draw(stroke[i - 1], stroke[i]);
  };
  if (dash > 0) {
    const double gap = std::max(dash / 2, 2.5 * thickness);  // of which the round ends take one thickness
    for (const auto& stroke : cut_dashes(points, dash, gap)) draw_stroke(stroke);
  } else {
    draw_stroke(points);
  }
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < columns; ++x)
      if (float cell = ink[static_cast<size_t>(y) * columns + x]; cell > 0)
        blend(left + x, top + y, color, opacity * cell);
}

void Canvas::disc(Point center, double radius, Color color, double opacity) {
  polyline({center}, 2 * radius, color, opacity);
}

void Canvas::text(Point at, const std::string& text, const TextStyle& style) {
  TextMask mask = default_font(style.bold).render(text, style.size);
  double back = style.align == Align::left ? 0 : style.align == Align::center ? 0.5 : 1;
  double along = back * default_font(style.bold).width(text, style.size);
  double across = mask.baseline - mask.cap_height / 2;  // from the mask's top to the middle of its capitals
  int x0 = static_cast<int>(std::lround(style.upwards ? at.x - across : at.x - along));
  int y0 = static_cast<int>(std::lround(style.upwards ? at.y + along : at.y - across));
  for (int row = 0; row < mask.height; ++row) {
    for (int column = 0; column < mask.width; ++column) {
      double ink = mask.coverage[static_cast<size_t>(row) * mask.width + column] / 255.0;
      if (ink == 0) continue;
      if (style.upwards) {
        blend(x0 + row, y0 - 1 - column, style.color, ink);
      } else {
        blend(x0 + column, y0 + row, style.color, ink);
      }
    }
  }
}

double Canvas::text_width(const std::string& text, const TextStyle& style) {
  return default_font(style.bold).width(text, style.size);
}

std::string Canvas::fit_text(const std::string& text, double width, const TextStyle& style) {
  if (text_width(text, style) <= width) return text;
  std::string cut = text;
  while (!cut.empty() && text_width(cut + "...", style) > width) {
    do {  // a whole character: its first byte is not of the form 10xxxxxx
      bool inside = (static_cast<unsigned char>(cut.back()) >> 6) == 2;
      cut.pop_back();
      if (!inside) break;
    } while (!cut.empty());
  }
  return cut + "...";
}

std::vector<std::string> Canvas::wrap_text(const std::string& text, double width, const TextStyle& style) {
  std::vector<std::string> lines;
  std::string line;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    word = fit_text(word, width, style);
    std::string longer = line.empty() ? word : line + " " + word;
    if (!line.empty() && text_width(longer, style) > width) {
      lines.push_back(line);
      line = word;
    } else {
      line = longer;
    }
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

void Canvas::write_png(const std::string& path) const {
  std::vector<unsigned char> bytes;
  // Rows filtered by PNG's predictors take twice the time and no fewer bytes: our pictures are flat areas.
  stbi_write_force_png_filter = 0;
  int made = stbi_write_png_to_func(append_bytes, &bytes, width_, height_, 3, pixels_.data(), 3 * width_);
  SCCA_CHECK(made != 0 && !bytes.empty(), "write_png: ", path, " could not be encoded");

  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace scca
