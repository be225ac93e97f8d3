#include "train/report/font.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#define STB_TRUETYPE_IMPLEMENTATION
#include <stb/stb_easy_font.h>
#include <stb/stb_truetype.h>

namespace scca {
namespace {

constexpr int kEasyCapHeight = 7,
              kEasyRows = 10;  // of stb_easy_font at scale 1: capitals, and with descenders

int easy_scale(double size) { return std::max(1, static_cast<int>(std::lround(size / 11.0))); }

std::string ascii(const std::string& text) {
  std::string out;
  for (uint32_t c : code_points(text)) out += c >= 32 && c < 127 ? static_cast<char>(c) : '?';
  return out;
}

TextMask render_built_in(const std::string& text, double size) {
  std::string plain = ascii(text);
  int scale = easy_scale(size);
  TextMask mask;
  mask.width = stb_easy_font_width(plain.data()) * scale;
  mask.height = kEasyRows * scale;
  mask.baseline = kEasyCapHeight * scale;
  mask.cap_height = mask.baseline;
  mask.coverage.assign(static_cast<size_t>(mask.width) * mask.height, 0);

  struct Vertex {
    float x, y, z;
    unsigned char color[4];
  };
  std::vector<Vertex> vertices(plain.size() * 64 + 64);  // a letter is at most 16 quads
  int quads = stb_easy_font_print(0, 0, plain.data(), nullptr, vertices.data(),
                                  static_cast<int>(vertices.size() * sizeof(Vertex)));
  for (int q = 0; q < quads; ++q) {
    const Vertex &low = vertices[4 * q], &high = vertices[4 * q + 2];
    int x1 = std::min(mask.width, static_cast<int>(high.x) * scale);
    int y1 = std::min(mask.height, static_cast<int>(high.y) * scale);
    for (int y = std::max(0, static_cast<int>(low.y) * scale); y < y1; ++y)
      for (int x = std::max(0, static_cast<int>(low.x) * scale); x < x1; ++x)
        mask.coverage[static_cast<size_t>(y) * mask.width + x] = 255;
  }
  return mask;
}

}  // namespace

std::vector<uint32_t> code_points(const std::string& utf8) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < utf8.size();) {
    auto lead = static_cast<unsigned char>(utf8[i++]);
    int more = lead < 0x80 ? 0 : (lead >> 5) == 6 ? 1 : (lead >> 4) == 14 ? 2 : (lead >> 3) == 30 ? 3 : -1;
    if (more < 0) {
      out.push_back(0xFFFD);
      continue;
    }
    uint32_t value = more == 0 ? lead : lead & (0x3Fu >> more);
    size_t at = i;
    while (more > 0 && at < utf8.size() && (static_cast<unsigned char>(utf8[at]) >> 6) == 2) {
      value = value << 6 | (static_cast<unsigned char>(utf8[at++]) & 0x3F);
      --more;
    }
    out.push_back(more == 0 ? value : 0xFFFD);
    i = at;
  }
  return out;
}

struct Font::Face {
  std::vector<unsigned char> file;
  stbtt_fontinfo info{};

  struct Placed {
    int glyph;
    double x;  // of the pen
  };
  /// Where each glyph goes; the last entry's x is where the line ends.
  std::vector<Placed> layout(const std::string& text, double scale) const {
    std::vector<Placed> out;
    double x = 0;
    int previous = 0;
    for (uint32_t c : code_points(text)) {
      int glyph = stbtt_FindGlyphIndex(&info, static_cast<int>(c));
      if (previous != 0) x += scale * stbtt_GetGlyphKernAdvance(&info, previous, glyph);
      out.push_back({glyph, x});
      int advance = 0, bearing = 0;
      stbtt_GetGlyphHMetrics(&info, glyph, &advance, &bearing);
      x += scale * advance;
      previous = glyph;
    }
    out.push_back({-1, x});
    return out;
  }

  double cap_height(float scale) const {
    int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
    stbtt_GetCodepointBox(&info, 'H', &x0, &y0, &x1, &y1);
    return scale * y1;
  }
};

Font::Font(const std::string& path) {
  if (path.empty()) return;
  std::ifstream in(path, std::ios::binary);
  auto face = std::make_unique<Face>();
  face->file.assign(std::istreambuf_iterator<char>(in), {});
  if (face->file.size() < 1024) return;
  int offset = stbtt_GetFontOffsetForIndex(face->file.data(), 0);
  if (offset >= 0 && stbtt_InitFont(&face->info, face->file.data(), offset)) face_ = std::move(face);
}

Font::~Font() = default;
Font::Font(Font&&) noexcept = default;

double Font::width(const std::string& text, double size) const {
  if (built_in()) return stb_easy_font_width(ascii(text).data()) * easy_scale(size);
  return face_->layout(text, stbtt_ScaleForMappingEmToPixels(&face_->info, static_cast<float>(size)))
      .back()
      .x;
}

TextMask Font::render(const std::string& text, double size) const {
  if (built_in()) return render_built_in(text, size);
  const stbtt_fontinfo* info = &face_->info;
  float scale = stbtt_ScaleForMappingEmToPixels(info, static_cast<float>(size));
  auto placed = face_->layout(text, scale);
  int ascent = 0, descent = 0, gap = 0;
  stbtt_GetFontVMetrics(info, &ascent, &descent, &gap);

  TextMask mask;
  mask.cap_height = face_->cap_height(scale);
  mask.baseline = static_cast<int>(std::ceil(scale * ascent)) + 1;
  mask.height = mask.baseline + static_cast<int>(std::ceil(-scale * descent)) + 1;
  mask.width = static_cast<int>(std::ceil(placed.back().x)) + 2;
  mask.coverage.assign(static_cast<size_t>(mask.width) * mask.height, 0);
  std::vector<unsigned char> glyph_pixels;
  for (size_t i = 0; i + 1 < placed.size(); ++i) {
    double whole = std::floor(placed[i].x);
    auto shift = static_cast<float>(placed[i].x - whole);
    int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
    stbtt_GetGlyphBitmapBoxSubpixel(info, placed[i].glyph, scale, scale, shift, 0, &x0, &y0, &x1, &y1);
    int width = x1 - x0, height = y1 - y0;
    if (width <= 0 || height <= 0) continue;
    glyph_pixels.assign(static_cast<size_t>(width) * height, 0);
    stbtt_MakeGlyphBitmapSubpixel(info, glyph_pixels.data(), width, height, width, scale, scale, shift, 0,
                                  placed[i].glyph);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        int row = mask.baseline + y0 + y, column = static_cast<int>(whole) + x0 + x;
        if (row < 0 || row >= mask.height || column < 0 || column >= mask.width) continue;
        uint8_t& ink = mask.coverage[static_cast<size_t>(row) * mask.width + column];
        ink = static_cast<uint8_t>(std::min(255, ink + glyph_pixels[static_cast<size_t>(y) * width + x]));
      }
    }
  }
  return mask;
}

const Font& default_font(bool bold) {
  auto find = [](const std::string& file) {
    for (const char* folder : {"/usr/share/fonts/truetype/dejavu/", "/usr/share/fonts/dejavu-sans-fonts/",
                               "/usr/share/fonts/dejavu/", "/usr/share/fonts/TTF/"}) {
      Font font(folder + file);
      if (!font.built_in()) return font;
    }
    return Font("");
  };
  static const Font regular = find("DejaVuSans.ttf");
  static const Font strong = find("DejaVuSans-Bold.ttf");
  return bold ? strong : regular;
}

}  // namespace scca
