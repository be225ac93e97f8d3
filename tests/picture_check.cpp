#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#include "tests/picture_check.h"

#include <stb/stb_image.h>

namespace scca {

PngPixels::PngPixels(const std::string& path) {
  int channels = 0;
  unsigned char* data = stbi_load(path.c_str(), &width, &height, &channels, 3);
  REQUIRE_MESSAGE(data != nullptr, path << " cannot be read as a picture");
  REQUIRE(channels == 3);
  bytes.assign(data, data + static_cast<size_t>(3) * width * height);
  stbi_image_free(data);
}

}  // namespace scca
