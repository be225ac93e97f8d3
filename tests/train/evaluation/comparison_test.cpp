#include "train/evaluation/comparison.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "core/random.h"
#include "tests/temporary_folder.h"
#include "train/evaluation/statistics.h"

using namespace scca;
using namespace scca::test;

namespace {

/// One window of one token for each loss; documents where they are given.
Losses losses_of(const std::vector<float>& nll, std::vector<int32_t> document = {}) {
  return {2, Tensor::of(nll, {static_cast<int64_t>(nll.size()), 1}), "x", std::move(document)};
}

/// A model of these losses, [seeds][documents], a token a document.
SeedSums model(const std::vector<std::vector<float>>& nll) {
  SeedSums seeds;
  for (const std::vector<float>& seed : nll) {
    std::vector<int32_t> document;
    for (size_t g = 0; g < seed.size(); ++g) document.push_back(static_cast<int32_t>(g));
    seeds.push_back(sums_of(losses_of(seed, document)));
  }
  return seeds;
}
const SeedSums kZero = model({{0, 0}});

}  // namespace

TEST_CASE("comparison: sums by window and by document, of the columns asked for") {
  const Losses losses{4, Tensor::of<float>({1, 2, 3, 4, 5, 6}, {2, 3}), "x", {0, 0, 2, 2, 2, 3}};
  const LossSums all = sums_of(losses);
  CHECK(all.windows.nll == std::vector<double>{6, 15});
  CHECK(all.windows.tokens == std::vector<double>{3, 3});
  CHECK(all.documents.nll == std::vector<double>{3, 12, 6});  // of document 1 there is no token
  CHECK(all.documents.tokens == std::vector<double>{2, 3, 1});
  const LossSums last = sums_of(losses, 2, 3);
  CHECK(last.windows.nll == std::vector<double>{3, 6});
  CHECK(last.documents.nll == std::vector<double>{3, 6});
  CHECK(last.documents.tokens == std::vector<double>{1, 1});
  CHECK(error_of([&] { sums_of(losses, 2, 4); }) == "losses: columns [2, 4) of 3");
}

TEST_CASE("comparison: over windows where nothing is known of documents, or there is one") {
  const Losses a{4, Tensor::of<float>({1, 2, 3, 2, 2, 2}, {2, 3}), "x"},
      b{4, Tensor::of<float>({1, 1, 1, 1, 2, 3}, {2, 3}), "x"};
  Losses one_document = a;
  one_document.document.assign(6, 0);
  for (const Losses& of_a : {a, one_document}) {
    Losses of_b = b;
    of_b.document = of_a.document;
    const PairedDifference d = paired_difference(of_a, of_b);  // window means of the difference: 1 and 0
    CHECK(d.mean == doctest::Approx(0.5));
    CHECK(d.standard_error == doctest::Approx(std::sqrt(0.5 / 2)));
    CHECK(d.tokens == 6);
    CHECK(d.clusters == 2);
    CHECK(!d.over_documents);
    CHECK(clusters_text(d) == "2 windows");
  }
  CHECK(paired_difference(a, b, 2, 3).mean == doctest::Approx(0.5));  // last column: 2 and -1
  Losses other = b;
  other.data = "y";
  CHECK(error_of([&] { paired_difference(a, other); }) ==
        "compare: the two did not score the same tokens: [2, 3] of x and [2, 3] of y");
  const PairedDifference single = paired_difference(losses_of({3}), losses_of({1}));
  CHECK(single.mean == 2);
  CHECK(single.standard_error == 0);
  CHECK(single.p == 1);
}

TEST_CASE("comparison: documents of one window each have the plain standard error") {
  const std::vector<float> values{0.5f, -1, 2, 0.25f, 3};
  const PairedDifference d = paired_difference(model({values}), model({{0, 0, 0, 0, 0}}));
  double mean = 0, squares = 0;
  for (const float v : values) mean += v / 5.0;
  for (const float v : values) squares += (v - mean) * (v - mean);
  CHECK(d.mean == doctest::Approx(mean));
  CHECK(d.standard_error == doctest::Approx(std::sqrt(squares / 4 / 5)));
  CHECK(d.degrees == 4);
  CHECK(d.p == doctest::Approx(two_sided_p(mean / d.standard_error, 4)));
  CHECK(d.over_documents);
  CHECK(clusters_text(d) == "5 documents");
}

TEST_CASE("comparison: a document's windows count together, each document by its tokens") {
  // Residual sums of the documents: 3 (1 - 0.75) and -0.75; sqrt(2 (0.75^2 + 0.75^2)) / 4 tokens = 0.375.
  const Losses a = losses_of({1, 1, 1, 0}, {0, 0, 0, 1}), b = losses_of({0, 0, 0, 0}, {0, 0, 0, 1});
  const PairedDifference d = paired_difference(a, b);
  CHECK(d.mean == 0.75);
  CHECK(d.standard_error == doctest::Approx(0.375));
  CHECK(d.degrees == 1);
  CHECK(d.p == doctest::Approx(1 - 2 / std::numbers::pi * std::atan(2)));
  CHECK(d.tokens == 4);
}

TEST_CASE("comparison: seeds and documents are crossed random effects") {
  // Additive: documents at -1, 0, 4, seeds at 0.5 and 1.5. Their variances 7 and 0.5, over 3 and 2.
  const PairedDifference additive =
      paired_difference(model({{-0.5f, 0.5f, 4.5f}, {0.5f, 1.5f, 5.5f}}), model({{0, 0, 0}}));
  CHECK(additive.mean == doctest::Approx(2));
  CHECK(additive.standard_error == doctest::Approx(std::sqrt(7.0 / 3 + 0.5 / 2)));
  const double v = 7.0 / 3 + 0.25;
  CHECK(additive.degrees == doctest::Approx(v * v / (49.0 / 9 / 2 + 0.0625 / 1)));
  CHECK(clusters_text(additive) == "3 documents and 2 seeds");
  // With an interaction: V of documents 2 (1/4) (0.125^2 + 0.125^2) = 1/64, of seeds (0.5^2 + 0.5^2) / 2 =
  // 1/4, of both 2 (1/4) (4 x 0.125^2) / 2 = 1/64.
  const PairedDifference both = paired_difference(model({{0.5f, 1}, {-0.25f, -0.25f}}), kZero);
  CHECK(both.mean == 0.25);
  CHECK(both.standard_error == doctest::Approx(0.5));
  // Interaction alone would come out below 0: 0 and 0 less something. Never below its parts.
  CHECK(paired_difference(model({{1, -1}, {-1, 1}}), kZero).standard_error == 0);
  // Seeds that do the same add nothing.
  const PairedDifference same = paired_difference(model({{1, 3}, {1, 3}, {1, 3}}), kZero);
  CHECK(same.standard_error == doctest::Approx(1));
  CHECK(same.degrees == doctest::Approx(1));
  // Paired seed by seed.
  CHECK(paired_difference(model({{1, 3}, {5, 7}}), model({{0, 2}, {4, 6}})).standard_error == 0);
  CHECK(error_of([] {
          paired_difference(model({{1, 3}, {5, 7}}), model({{0, 2}, {4, 6}, {1, 1}}));
        }) == "compare: 2 seeds and 3, expected as many of both, or one");
}

TEST_CASE("comparison: the bootstrap draws documents and seeds, the same for both models") {
  const double near = 0.035;  // three standard errors of 2000 draws
  // One seed, documents -1 and +0.5: above 0 when both draws are the second, 1 in 4.
  CHECK(order_probability(model({{-1, 0.5f}}), kZero) == doctest::Approx(0.75).epsilon(near));
  // The same of seeds: were documents drawn anew in each seed, or seeds for each document, it would not be.
  CHECK(order_probability(model({{-1, -1}, {0.5f, 0.5f}}), kZero) == doctest::Approx(0.75).epsilon(near));
  CHECK(order_probability(model({{-1, 0.5f}, {-1, 0.5f}}), kZero) == doctest::Approx(0.75).epsilon(near));
  // Symmetric.
  std::vector<float> symmetric;
  for (int i = 1; i <= 20; ++i)
    symmetric.push_back(static_cast<float>(i)), symmetric.push_back(-static_cast<float>(i));
  const SeedSums zeros = model({std::vector<float>(40, 0)});
  CHECK(order_probability(model({symmetric}), zeros) == doctest::Approx(0.5).epsilon(2 * near));
  CHECK(order_probability(zeros, zeros) == 0.5);
  CHECK(order_probability(model({{-1, -2}}), kZero) == 1);
  CHECK(order_probability(kZero, model({{-1, -2}})) == 0);
  // A document weighs its tokens: of {0: three at -1, 1: one at +2} mixed draws are below 0.
  const SeedSums weighed{sums_of(losses_of({-1, -1, -1, 2}, {0, 0, 0, 1}))};
  const SeedSums level{sums_of(losses_of({0, 0, 0, 0}, {0, 0, 0, 1}))};
  CHECK(order_probability(weighed, level) == doctest::Approx(0.75).epsilon(near));
}

TEST_CASE("comparison: neighbours of a ranking, corrected for all pairs") {
  // Differences of 10 documents: far apart in the first step, noise in the second.
  std::vector<float> best, second, third;
  for (int i = 0; i < 10; ++i) {
    const float text = static_cast<float>(i % 4);  // hard and easy documents, which pairing takes out
    best.push_back(text);
    second.push_back(text + 1 + 0.01f * static_cast<float>(i % 3));
    third.push_back(second.back() + (i % 2 ? 0.5f : -0.25f));
  }
  const std::vector<SeedSums> models{model({third}), model({best}), model({second})};
  const Ranking ranking = rank_models(models);
  CHECK(ranking.order == std::vector<size_t>{1, 2, 0});
  REQUIRE(ranking.neighbours.size() == 2);
  const Neighbours &far = ranking.neighbours[0], &close = ranking.neighbours[1];
  CHECK(far.better == 1);
  CHECK(far.worse == 2);
  CHECK(close.better == 2);
  CHECK(close.worse == 0);
  CHECK(far.difference.mean == doctest::Approx(1.009));
  CHECK(far.settled);
  CHECK(far.probability == 1);
  // Three pairs; this one has the largest p, which Holm leaves as it is.
  CHECK(close.p == doctest::Approx(paired_difference(models[0], models[2]).p));
  CHECK(close.p > kSettled);
  CHECK(!close.settled);
  CHECK(close.probability > 0.7);
  CHECK(close.probability < 1);
  CHECK(far.p / far.difference.p == doctest::Approx(3));  // and this one the smallest of three
  CHECK(rank_models({models[0]}).neighbours.empty());
}
