#include "train/evaluation/losses.h"

#include <cmath>

#include "models/files/safetensors.h"
#include "models/weights.h"

namespace scca {
namespace {

double mean_of_row(const Losses& losses, int64_t row, int64_t from, int64_t to) {
  const float* nll = losses.nll.data<float>() + row * losses.nll.size(1);
  double sum = 0;
  for (int64_t i = from; i < to; ++i) sum += nll[i];
  return sum / static_cast<double>(to - from);
}

}  // namespace

double Losses::mean(int64_t from, int64_t to) const {
  SCCA_CHECK(0 <= from && from < to && to <= nll.size(1), "losses: columns [", from, ", ", to, ") of ",
             nll.size(1));
  double sum = 0;
  for (int64_t row = 0; row < nll.size(0); ++row) sum += mean_of_row(*this, row, from, to);
  return sum / static_cast<double>(nll.size(0));
}

void write_losses(const std::filesystem::path& file, const Losses& losses) {
  write_safetensors(file, {{"nll", losses.nll}},
                    {{"context", std::to_string(losses.context)}, {"data", losses.data}, {kContentHash, ""}});
}

Losses read_losses(const std::filesystem::path& file) {
  const SafetensorsFile stored(file);
  const auto& about = stored.metadata();
  SCCA_CHECK(stored.tensors().contains("nll") && about.contains("context") && about.contains("data"),
             file.string(), ": is not a file of token losses; write one with scca eval ",
             Setting("save_losses"));
  if (about.contains(kContentHash)) stored.check_content();
  Losses losses{std::stoll(about.at("context")), Weights(file).load("nll", DType::f32).clone(),
                about.at("data")};
  SCCA_CHECK(losses.nll.rank() == 2 && losses.nll.size(1) == losses.context - 1, file.string(), ": nll is ",
             to_string(losses.nll.shape()), ", expected [windows, ", losses.context - 1, "]");
  return losses;
}

PairedDifference paired_difference(const Losses& a, const Losses& b, int64_t from, int64_t to) {
  SCCA_CHECK(a.data == b.data && a.nll.shape() == b.nll.shape(),
             "compare: the two did not score the same tokens: ", to_string(a.nll.shape()), " of ", a.data,
             " and ", to_string(b.nll.shape()), " of ", b.data);
  if (to < 0) to = a.nll.size(1);
  const int64_t windows = a.nll.size(0);
  double sum = 0, squares = 0;
  for (int64_t row = 0; row < windows; ++row) {
    const double d = mean_of_row(a, row, from, to) - mean_of_row(b, row, from, to);
    sum += d;
    squares += d * d;
  }
  const double n = static_cast<double>(windows), mean = sum / n;
  const double variance = windows > 1 ? std::max(0.0, (squares - n * mean * mean) / (n - 1)) : 0;
  return {mean, std::sqrt(variance / n), windows * (to - from)};
}

}  // namespace scca
