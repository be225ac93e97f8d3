#include "train/evaluation/losses.h"

#include <algorithm>
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

constexpr int64_t kMostDocuments = int64_t{1} << 24;  // their numbers lie in the file as f32

std::vector<int32_t> numbers_of(const Tensor& document, const std::filesystem::path& file) {
  std::vector<int32_t> numbers;
  for (const float number : document.to_vector<float>()) {
    SCCA_CHECK(number >= 0 && number < kMostDocuments && number == std::floor(number), file.string(),
               ": document is ", number, ", expected whole numbers from 0 on");
    numbers.push_back(static_cast<int32_t>(number));
  }
  return numbers;
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
  std::vector<std::pair<std::string, Tensor>> tensors{{"nll", losses.nll}};
  if (!losses.document.empty()) {
    SCCA_CHECK(std::ranges::max(losses.document) < kMostDocuments, "losses: more than ", kMostDocuments,
               " documents; judge on fewer");
    const std::vector<float> numbers(losses.document.begin(), losses.document.end());
    tensors.emplace_back("document", Tensor::of(numbers, losses.nll.shape()));
  }
  write_safetensors(file, tensors,
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
  if (stored.tensors().contains("document"))
    losses.document = numbers_of(Weights(file).load("document", DType::f32, losses.nll.shape()), file);
  return losses;
}

}  // namespace scca
