#pragma once
// Which of several models is better on the same tokens, and whether that is settled. One rule for all that
// compares: differences are paired token by token; what varies is the document and, where a model was trained
// several times, the seed. The tokens of a document are not independent, so that a standard error over
// windows of few documents would be too small.
#include <cstdint>
#include <string>
#include <vector>

#include "train/evaluation/losses.h"

namespace scca {

/// Sums over the tokens of each cluster.
struct ClusterSums {
  std::vector<double> nll, tokens;
};

/// Of one evaluation.
struct LossSums {
  std::string data;  // as in Losses: what was scored
  ClusterSums windows = {};
  ClusterSums documents = {};  // by number; empty where the losses do not say
};
/// Over the columns [from, to); `to` = -1 is all.
LossSums sums_of(const Losses& losses, int64_t from = 0, int64_t to = -1);

/// A model's evaluations, one for each seed it was trained with.
using SeedSums = std::vector<LossSums>;

struct PairedDifference {
  double mean = 0;            // of a's loss less b's, nats a token
  double standard_error = 0;  // of another draw of documents and seeds; 0 where there is one cluster
  double degrees = 0;         // of freedom
  double p = 1;               // of a difference as large where there is none; 1 where there is one cluster
  int64_t tokens = 0;         // of one seed
  int64_t clusters = 0, seeds = 0;
  bool over_documents = false;  // else clusters are windows: a single document, or nothing known of them
};

/// Documents and seeds are crossed random effects, V = V_documents + V_seeds - V_both with the mean squares
/// of the two-way layout (Cornfield & Tukey 1956), documents weighing as many tokens as they have; never
/// below either part. Degrees of freedom by Satterthwaite. Of one seed it is the standard error clustered by
/// document (Liang & Zeger 1986, G / (G - 1)), and that of the plain mean where all clusters are alike. The
/// k-th seed of a is paired with the k-th of b; one without seeds (an untrained model) with each. Throws
/// Error when they did not score the same tokens or have different numbers of seeds.
PairedDifference paired_difference(const SeedSums& a, const SeedSums& b);
/// Of one evaluation each, over the columns [from, to); `to` = -1 is all.
PairedDifference paired_difference(const Losses& a, const Losses& b, int64_t from = 0, int64_t to = -1);

/// "4 documents", "16 windows", "4 documents and 3 seeds": what the standard error is over.
std::string clusters_text(const PairedDifference& difference);

/// Two models that are next to each other in the ranking.
struct Neighbours {
  size_t better = 0, worse = 0;
  PairedDifference difference;  // worse less better
  double p = 1;                 // Holm's, over all pairs: which of them are neighbours the same data say
  double probability = 0;       // that another draw of documents and seeds has them in this order
  bool settled = false;         // p < kSettled
};
inline constexpr double kSettled = 0.05;

struct Ranking {
  std::vector<size_t> order;  // indices, the lowest loss first
  std::vector<Neighbours> neighbours;
};

/// Throws Error as paired_difference.
Ranking rank_models(const std::vector<SeedSums>& models);

/// The share of bootstrap draws in which a's loss is below b's, ties half: documents and seeds are drawn with
/// replacement, each by itself and the same for both models, always by the same random numbers.
double order_probability(const SeedSums& a, const SeedSums& b);

}  // namespace scca
