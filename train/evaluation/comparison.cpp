#include "train/evaluation/comparison.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/random.h"
#include "train/evaluation/statistics.h"

namespace scca {
namespace {

constexpr int kDraws = 2000;  // of the bootstrap: a probability of 0.5 is known to 0.01

/// Differences of two models by seed and cluster.
struct Cells {
  std::vector<std::vector<double>> difference = {};  // [seeds][clusters], nats a token
  std::vector<double> weight = {};                   // [clusters], the share of tokens; together 1
  double tokens = 0;
  bool over_documents = false;

  size_t seeds() const { return difference.size(); }
  size_t clusters() const { return weight.size(); }
};

/// Two, and the same in all: one document varies in its windows alone.
bool documents_known(const SeedSums& sums) {
  return std::ranges::all_of(sums, [](const LossSums& s) { return s.documents.tokens.size() > 1; });
}

Cells cells_of(const SeedSums& a, const SeedSums& b) {
  SCCA_CHECK(!a.empty() && !b.empty() && (a.size() == b.size() || a.size() == 1 || b.size() == 1),
             "compare: ", a.size(), " seeds and ", b.size(), ", expected as many of both, or one");
  Cells cells{.over_documents = documents_known(a) && documents_known(b)};
  const auto sums = [&](const LossSums& s) -> const ClusterSums& {
    return cells.over_documents ? s.documents : s.windows;
  };
  cells.weight = sums(a[0]).tokens;
  for (size_t k = 0; k < std::max(a.size(), b.size()); ++k) {
    const LossSums &of_a = a[std::min(k, a.size() - 1)], &of_b = b[std::min(k, b.size() - 1)];
    for (const LossSums* s : {&of_a, &of_b})
      SCCA_CHECK(s->data == a[0].data && sums(*s).tokens == cells.weight,
                 "compare: the two did not score the same tokens: ", s->data, " and ", a[0].data);
    std::vector<double>& row = cells.difference.emplace_back();
    for (size_t g = 0; g < cells.weight.size(); ++g)
      row.push_back((sums(of_a).nll[g] - sums(of_b).nll[g]) / cells.weight[g]);
  }
  cells.tokens = std::accumulate(cells.weight.begin(), cells.weight.end(), 0.0);
  for (double& weight : cells.weight) weight /= cells.tokens;
  return cells;
}

/// Means of the rows, of the columns, and of all.
struct Margins {
  std::vector<double> seed, cluster;
  double all = 0;
};
Margins margins_of(const Cells& cells) {
  const auto seeds = static_cast<double>(cells.seeds());
  Margins m{std::vector<double>(cells.seeds()), std::vector<double>(cells.clusters())};
  for (size_t k = 0; k < cells.seeds(); ++k) {
    for (size_t g = 0; g < cells.clusters(); ++g) {
      m.seed[k] += cells.weight[g] * cells.difference[k][g];
      m.cluster[g] += cells.difference[k][g] / seeds;
    }
    m.all += m.seed[k] / seeds;
  }
  return m;
}

struct Variance {
  double mean = 0, degrees = 0;
};
Variance variance_of(const Cells& cells, const Margins& m) {
  const auto seeds = static_cast<double>(cells.seeds()), clusters = static_cast<double>(cells.clusters());
  double by_cluster = 0, by_seed = 0, by_both = 0;
  for (size_t g = 0; g < cells.clusters(); ++g) {
    by_cluster += std::pow(cells.weight[g] * (m.cluster[g] - m.all), 2);
    for (size_t k = 0; k < cells.seeds(); ++k)
      by_both += std::pow(cells.weight[g] * (cells.difference[k][g] - m.cluster[g] - m.seed[k] + m.all), 2);
  }
  for (const double seed : m.seed) by_seed += std::pow(seed - m.all, 2);
  by_cluster *= clusters / (clusters - 1);
  if (cells.seeds() < 2) return {by_cluster, clusters - 1};
  by_seed /= seeds * (seeds - 1);
  by_both *= clusters / (clusters - 1) / (seeds * (seeds - 1));
  const double mean = std::max({by_cluster, by_seed, by_cluster + by_seed - by_both});
  const double parts = by_cluster * by_cluster / (clusters - 1) + by_seed * by_seed / (seeds - 1);
  return {mean, parts > 0 ? mean * mean / parts : clusters - 1};
}

PairedDifference difference_of(const Cells& cells) {
  const Margins margins = margins_of(cells);
  PairedDifference d{.mean = margins.all,
                     .tokens = std::llround(cells.tokens),
                     .clusters = static_cast<int64_t>(cells.clusters()),
                     .seeds = static_cast<int64_t>(cells.seeds()),
                     .over_documents = cells.over_documents};
  if (cells.clusters() < 2) return d;
  const Variance variance = variance_of(cells, margins);
  d.standard_error = std::sqrt(variance.mean);
  d.degrees = variance.degrees;
  if (d.mean != 0) d.p = two_sided_p(d.mean / d.standard_error, d.degrees);
  return d;
}

}  // namespace

LossSums sums_of(const Losses& losses, int64_t from, int64_t to) {
  const int64_t windows = losses.nll.size(0), columns = losses.nll.size(1);
  if (to < 0) to = columns;
  SCCA_CHECK(0 <= from && from < to && to <= columns, "losses: columns [", from, ", ", to, ") of ", columns);
  LossSums result{.data = losses.data};
  const auto add = [](ClusterSums& sums, size_t cluster, double nll) {
    if (cluster >= sums.nll.size()) sums.nll.resize(cluster + 1), sums.tokens.resize(cluster + 1);
    sums.nll[cluster] += nll;
    ++sums.tokens[cluster];
  };
  ClusterSums documents;
  for (int64_t w = 0; w < windows; ++w) {
    for (int64_t i = w * columns + from; i < w * columns + to; ++i) {
      const double nll = losses.nll.data<float>()[i];
      add(result.windows, static_cast<size_t>(w), nll);
      if (!losses.document.empty())
        add(documents, static_cast<size_t>(losses.document[static_cast<size_t>(i)]), nll);
    }
  }
  for (size_t g = 0; g < documents.tokens.size(); ++g) {  // those of which nothing was scored here are none
    if (documents.tokens[g] == 0) continue;
    result.documents.nll.push_back(documents.nll[g]);
    result.documents.tokens.push_back(documents.tokens[g]);
  }
  return result;
}

PairedDifference paired_difference(const SeedSums& a, const SeedSums& b) {
  return difference_of(cells_of(a, b));
}

PairedDifference paired_difference(const Losses& a, const Losses& b, int64_t from, int64_t to) {
  SCCA_CHECK(a.data == b.data && a.nll.shape() == b.nll.shape(),
             "compare: the two did not score the same tokens: ", to_string(a.nll.shape()), " of ", a.data,
             " and ", to_string(b.nll.shape()), " of ", b.data);
  return paired_difference(SeedSums{sums_of(a, from, to)}, SeedSums{sums_of(b, from, to)});
}

std::string clusters_text(const PairedDifference& d) {
  const auto counted = [](int64_t n, const char* what) { return concat(n, " ", what, n == 1 ? "" : "s"); };
  return counted(d.clusters, d.over_documents ? "document" : "window") +
         (d.seeds > 1 ? " and " + counted(d.seeds, "seed") : "");
}

double order_probability(const SeedSums& a, const SeedSums& b) {
  const Cells cells = cells_of(a, b);
  double share = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    uint64_t next = 0;
    const auto pick = [&](size_t count) {
      const Philox bits = philox(0, next++, static_cast<uint64_t>(draw));
      return static_cast<size_t>((uint64_t{bits[0]} * count) >> 32);
    };
    std::vector<size_t> seeds(cells.seeds());
    for (size_t& seed : seeds) seed = pick(cells.seeds());
    double sum = 0;  // its sign is that of the mean
    for (size_t i = 0; i < cells.clusters(); ++i) {
      const size_t g = pick(cells.clusters());
      for (const size_t k : seeds) sum += cells.weight[g] * cells.difference[k][g];
    }
    share += sum < 0 ? 1 : sum == 0 ? 0.5 : 0;
  }
  return share / kDraws;
}

Ranking rank_models(const std::vector<SeedSums>& models) {
  SCCA_CHECK(!models.empty(), "rank_models: no models");
  std::vector<double>
      less_first;  // loss less the first model's: the same order, and a check of what is given
  for (const SeedSums& model : models) less_first.push_back(paired_difference(model, models[0]).mean);
  Ranking ranking;
  ranking.order.resize(models.size());
  std::iota(ranking.order.begin(), ranking.order.end(), size_t{0});
  std::ranges::stable_sort(ranking.order, {}, [&](size_t i) { return less_first[i]; });
  std::vector<double> p;
  std::vector<size_t> neighbours;  // which pairs are
  for (size_t i = 0; i < models.size(); ++i) {
    for (size_t j = i + 1; j < models.size(); ++j) {
      const SeedSums &better = models[ranking.order[i]], &worse = models[ranking.order[j]];
      const PairedDifference difference = paired_difference(worse, better);
      if (j == i + 1) {
        neighbours.push_back(p.size());
        ranking.neighbours.push_back({.better = ranking.order[i],
                                      .worse = ranking.order[j],
                                      .difference = difference,
                                      .probability = order_probability(better, worse)});
      }
      p.push_back(difference.p);
    }
  }
  const std::vector<double> corrected = holm(p);
  for (size_t i = 0; i < neighbours.size(); ++i) {
    ranking.neighbours[i].p = corrected[neighbours[i]];
    ranking.neighbours[i].settled = corrected[neighbours[i]] < kSettled;
  }
  return ranking;
}

}  // namespace scca
