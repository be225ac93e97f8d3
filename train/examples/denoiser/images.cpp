#include "images.h"

#include <cmath>

#include "ops/add.h"

namespace denoiser {
namespace {

using namespace scca;

constexpr int64_t kShapes = 3, kNumbersOfShape = 5;

/// x from 0 up to below the period, as a clock would show it.
double wrapped(double x) { return x - kPeriod * std::floor(x / kPeriod); }
/// The shortest way between two such places.
double way(double a, double b) {
  const double d = wrapped(a - b);
  return std::min(d, kPeriod - d);
}

/// Whether a disc or a stripe, made of random numbers u, covers this pixel of a motif that joins its copies
/// without a seam.
bool covers(const float* u, double y, double x) {
  if (u[0] < 0.5) return std::hypot(way(y, kPeriod * u[1]), way(x, kPeriod * u[2])) < 1 + 2 * u[3];
  const double across[] = {y, x, y + x, y - x};
  return wrapped(across[static_cast<int>(4 * u[1])] - kPeriod * u[2]) < 1 + 2 * u[3];
}

/// The grey of a pixel: of the last shape that covers it, else the ground's.
float grey(const float* u, int64_t y, int64_t x) {
  float level = u[kShapes * kNumbersOfShape];
  for (int64_t shape = 0; shape < kShapes; ++shape, u += kNumbersOfShape)
    if (covers(u, static_cast<double>(y), static_cast<double>(x))) level = u[4];
  return level;
}

int64_t side_of(const Tensor& images_BT1) {
  return std::llround(std::sqrt(static_cast<double>(images_BT1.size(1))));
}

/// y[i] = sum over j of weights[i, j] x[j], along the rows and then along the columns of every image.
Tensor filtered(const Tensor& images_BT1, const std::vector<double>& weights) {
  const int64_t side = side_of(images_BT1), count = images_BT1.size(0);
  Tensor out = images_BT1.clone();
  std::vector<double> line(static_cast<size_t>(side));
  for (const auto& [line_step, pixel_step] : {std::pair{side, int64_t{1}}, std::pair{int64_t{1}, side}})
    for (int64_t l = 0; l < count * side; ++l) {
      float* pixels = out.data<float>() + l / side * side * side + l % side * line_step;
      for (int64_t i = 0; i < side; ++i) {
        line[static_cast<size_t>(i)] = 0;
        for (int64_t j = 0; j < side; ++j)
          line[static_cast<size_t>(i)] += weights[static_cast<size_t>(i * side + j)] * pixels[j * pixel_step];
      }
      for (int64_t i = 0; i < side; ++i)
        pixels[i * pixel_step] = static_cast<float>(line[static_cast<size_t>(i)]);
    }
  return out;
}

/// The weights of `filtered` that go as weight(i - j), each pixel's to a sum of 1.
template <class Weight>
std::vector<double> normalised(int64_t side, const Weight& weight) {
  std::vector<double> weights;
  for (int64_t i = 0; i < side; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < side; ++j) sum += weight(i - j);
    for (int64_t j = 0; j < side; ++j) weights.push_back(weight(i - j) / sum);
  }
  return weights;
}

}  // namespace

Images wallpapers(int64_t count, int64_t side, double noise, RandomState random) {
  set_random_state(random);
  Tensor motifs = Tensor::empty({count, kShapes * kNumbersOfShape + 1});
  fill_uniform(motifs, 0, 1);
  Images images{Tensor::empty({count, side * side, 1}), Tensor::empty({count, side * side, 1})};
  float* pixel = images.clean_BT1.data<float>();
  for (int64_t image = 0; image < count; ++image)
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x) *pixel++ = grey(motifs.rows(image, 1).data<float>(), y, x);
  fill_normal(images.noisy_BT1, noise);
  images.noisy_BT1 = add(std::move(images.noisy_BT1), images.clean_BT1);
  return images;
}

std::vector<double> psnr(const Tensor& answer_BT1, const Tensor& clean_BT1) {
  const std::vector<float> answer = answer_BT1.to_vector<float>(), clean = clean_BT1.to_vector<float>();
  const size_t pixels = static_cast<size_t>(clean_BT1.size(1));
  std::vector<double> each;
  for (size_t begin = 0; begin < clean.size(); begin += pixels) {
    double squares = 0;
    for (size_t i = begin; i < begin + pixels; ++i) squares += std::pow(double{answer[i]} - clean[i], 2);
    each.push_back(10 * std::log10(static_cast<double>(pixels) / squares));
  }
  return each;
}

Tensor gaussian_filter(const Tensor& images_BT1, double deviation) {
  return filtered(images_BT1, normalised(side_of(images_BT1), [=](int64_t d) {
                    return std::exp(-0.5 * std::pow(static_cast<double>(d) / deviation, 2));
                  }));
}

Tensor mean_of_copies(const Tensor& images_BT1) {
  return filtered(images_BT1,
                  normalised(side_of(images_BT1), [](int64_t d) { return d % kPeriod == 0 ? 1.0 : 0.0; }));
}

}  // namespace denoiser
