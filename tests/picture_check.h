#pragma once
// For the tests of pictures: a folder that goes away, and a PNG read back by another library than wrote it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "core/check.h"
#include "train/report/canvas.h"

namespace scca {

struct PictureFolder {
  std::filesystem::path path;
  PictureFolder() {
    static std::atomic<int> count{0};
    path = std::filesystem::temp_directory_path() / concat("scca_pictures_", getpid(), "_", count++);
    std::filesystem::create_directories(path);
  }
  ~PictureFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string file(const std::string& name) const { return (path / name).string(); }
  size_t files() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path)) ++count;
    return count;
  }
};

struct PngPixels {
  int width = 0, height = 0;
  std::vector<uint8_t> bytes;

  explicit PngPixels(const std::string& path);
  Color at(int x, int y) const {
    const uint8_t* p = &bytes[static_cast<size_t>(3) * (static_cast<size_t>(y) * width + x)];
    return {p[0], p[1], p[2]};
  }
  int count(Color color) const { return count(color, 0, 0, width, height); }
  int count(Color color, int x0, int y0, int x1, int y1) const {
    int found = 0;
    for (int y = y0; y < y1; ++y)
      for (int x = x0; x < x1; ++x) found += at(x, y) == color;
    return found;
  }
  bool operator==(const PngPixels&) const = default;
};

/// What an action says when it throws scca::Error; empty when it does not throw.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace scca
