#include "hadal/tasks/making/sample_scores.h"

#include <algorithm>
#include <set>

namespace hadal {
namespace {

constexpr int64_t kNeighbours = 5000;  // precision and recall compare each with each

FeatureMoments moments(const Tensor& features) {
  FeatureMoments out;
  for (const auto& part : features.split(4096)) out.add(part);
  return out;
}

}  // namespace

bool same_classes(const std::string& judge, const std::vector<std::string>& judges,
                  const std::vector<std::string>& data, bool by_class) {
  const std::set<std::string> known(judges.begin(), judges.end()), wanted(data.begin(), data.end());
  for (const auto& name : data)
    if (by_class && !known.contains(name))
      fail_usage("the judge {} does not know the class \"{}\"{}; give a judge.weights of this data's classes", judge,
                 name, suggest(name, judges));
  return known == wanted;
}

std::vector<Score> sample_score_names(bool by_class, bool counted) {
  std::vector<Score> out = {{"frechet", false}, {"frechet_real", false}, {"kid", false}, {"precision"}, {"recall"},
                            {"samples"}};
  if (counted) out.insert(out.end() - 1, {{"classes_found"}, {"least_class"}, {"most_class", false}, {"confident"}});
  if (by_class) out.push_back({"class_true"});
  return out;
}

Metrics sample_scores(const SamplesSeen& made, const SamplesSeen& truth, const SamplesSeen* train, double confidence,
                      uint64_t seed, std::optional<double> class_true, bool counted) {
  if (!made.features.isfinite().all().item<bool>()) fail("samples give the judge numbers that are not finite");
  const auto count = made.features.size(0);
  Metrics out;
  const auto of_truth = moments(truth.features);
  out.emplace_back("frechet", frechet_distance(of_truth, moments(made.features)));
  if (train) out.emplace_back("frechet_real", frechet_distance(of_truth, moments(train->features)));
  const auto subset = std::min<int64_t>(1000, count);
  out.emplace_back("kid", kernel_distance(truth.features, made.features, 10, subset, seed).mean);
  const auto most = std::min(count, kNeighbours);
  if (most > 3) {
    const auto near = fidelity(truth.features.slice(0, 0, most), made.features.slice(0, 0, most));
    out.emplace_back("precision", near.precision);
    out.emplace_back("recall", near.recall);
  }
  if (counted) {
    const auto cover = class_coverage(made.logits, confidence);
    out.emplace_back("classes_found", static_cast<double>(cover.found));
    out.emplace_back("least_class", cover.least);
    out.emplace_back("most_class", *std::max_element(cover.shares.begin(), cover.shares.end()));
    out.emplace_back("confident", cover.confident);
  }
  if (class_true) out.emplace_back("class_true", *class_true);
  out.emplace_back("samples", static_cast<double>(count));
  return out;
}

}  // namespace hadal
