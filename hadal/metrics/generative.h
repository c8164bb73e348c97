// How near made samples are to real ones, by features that some net gives for both: all computed in float64. A number
// means something only beside the features' name and the number of samples.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// Mean (D) and covariance (D, D, divided by N - 1) of features, summed up batch by batch in float64.
class FeatureMoments {
 public:
  /// features (N, D). Throws Error when D differs from the batches before or a value is not finite.
  void add(const Tensor& features);
  int64_t count() const { return count_; }
  Tensor mean() const;
  /// Throws Error with fewer than two samples.
  Tensor covariance() const;

 private:
  int64_t count_ = 0;
  Tensor shift_, sum_, products_;  // of features minus the first batch's mean, which keeps digits
};

/// |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Heusel et al. 2017, arXiv:1706.08500): the squared Fréchet distance of
/// two normal distributions, as commonly reported. The root's trace is that of (S1^(1/2) S2 S1^(1/2))^(1/2), which is
/// symmetric.
double frechet_distance(const FeatureMoments& a, const FeatureMoments& b);
double frechet_distance(const Tensor& mean_a, const Tensor& covariance_a, const Tensor& mean_b,
                        const Tensor& covariance_b);

struct KernelDistance {
  double mean = 0, deviation = 0;  // over the subsets
};
/// The kernel inception distance's squared MMD, unbiased, with the kernel (x y / D + 1)^3 (Bińkowski et al. 2018,
/// arXiv:1801.01401), over `subsets` random subsets of `size` samples of each. Throws Error when there are fewer.
KernelDistance kernel_distance(const Tensor& real, const Tensor& made, int64_t subsets, int64_t size, uint64_t seed);

struct Fidelity {
  double precision = 0, recall = 0;  // Kynkäänniemi et al. 2019, arXiv:1904.06991
  double density = 0, coverage = 0;  // Naeem et al. 2020, arXiv:2002.09797
};
/// Shares of made samples within the real ones' balls and the other way round; a ball reaches to the k-th nearest
/// neighbour among its own kind. Throws Error unless both have more than k samples.
Fidelity fidelity(const Tensor& real, const Tensor& made, int64_t k = 3);

struct Neighbours {
  Tensor index;     // (N, k) int64, the nearest first
  Tensor distance;  // (N, k) float64
};
/// The k nearest of `among` (M, D) for each of `of` (N, D), by Euclidean distance: whether samples are copies.
Neighbours nearest_neighbours(const Tensor& of, const Tensor& among, int64_t k);

/// What a classifier says of samples: which classes they are, and how sure it is.
struct ClassCoverage {
  std::vector<double> shares;  // of each class, by the highest probability
  double least = 0;            // the smallest share
  int64_t found = 0;           // classes that have any sample
  double confident = 0;        // share of samples whose highest probability is at least the given one
};
/// logits (N, C). Throws Error without samples.
ClassCoverage class_coverage(const Tensor& logits, double confidence = 0.9);

}  // namespace hadal
