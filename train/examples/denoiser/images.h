#pragma once
// The images of the denoiser, and what can be done for them without a model. To train on images of your own,
// give them by another function of this shape.
// Shapes: B images, T = side x side pixels in raster order, 1 number a pixel: 0 black, 1 white.
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace denoiser {

/// A motif of this many pixels each way fills an image, again and again: the copies of a pixel are far away
/// and tell of it what its neighbours do not.
inline constexpr int64_t kPeriod = 8;

struct Images {
  scca::Tensor clean_BT1, noisy_BT1;
};

/// `count` wallpapers, each with a motif of its own (discs and stripes of any grey), and the same with normal
/// noise of this deviation on each pixel. A function of `random` alone.
Images wallpapers(int64_t count, int64_t side, double noise, scca::RandomState random);

/// Of each image, in dB: 10 log10(1 / mean square error). Higher is better.
std::vector<double> psnr(const scca::Tensor& answer_BT1, const scca::Tensor& clean_BT1);

/// What can be had from the neighbours alone: a Gaussian filter, cut off at the edges, of this deviation in
/// pixels.
scca::Tensor gaussian_filter(const scca::Tensor& images_BT1, double deviation);

/// What can be had from the copies alone, by who knows the period: each pixel is the mean of its copies.
scca::Tensor mean_of_copies(const scca::Tensor& images_BT1);

}  // namespace denoiser
