#include "hadal/tasks/class_judge.h"

#include <algorithm>

#include "hadal/core/random.h"

namespace hadal {
namespace {

template <class T>
void append(std::vector<T>& into, const Tensor& tensor) {
  const auto cpu = tensor.cpu().contiguous();
  into.insert(into.end(), cpu.const_data_ptr<T>(), cpu.const_data_ptr<T>() + cpu.numel());
}

}  // namespace

void ClassJudge::add(const Tensor& logits, const Tensor& labels) {
  loss_.add(at::cross_entropy_loss(logits, labels).item<double>(), static_cast<double>(labels.size(0)));
  score_.add(logits, labels);
  const auto [confidence, said] = logits.softmax(1).max(1);
  append(labels_, labels);
  append(said_, said);
  append(confidence_, confidence);
}

Metrics ClassJudge::metrics() const {
  Metrics out = {{"loss", loss_.value()}};
  for (auto& item : score_.metrics()) out.push_back(std::move(item));
  return out;
}

std::string ClassJudge::caption(int64_t place) const {
  const auto &truth = names_.at(labels_.at(place)), &said = names_.at(said_.at(place));
  const auto sure = fmt::format("{} {:.0f} %", said, confidence_.at(place) * 100);
  return right(place) ? sure : fmt::format("{}, said {}", truth, sure);
}

std::vector<int64_t> ClassJudge::some(uint64_t seed, size_t most) const {
  Random random(seed, {4});
  auto places = permutation(std::ssize(labels_), random);
  places.resize(std::min(places.size(), most));
  return places;
}

std::vector<int64_t> ClassJudge::mistakes(size_t most) const {
  std::vector<int64_t> wrong;
  for (int64_t i = 0; i < std::ssize(labels_); ++i)
    if (!right(i)) wrong.push_back(i);
  std::stable_sort(wrong.begin(), wrong.end(), [&](int64_t a, int64_t b) { return confidence_[a] > confidence_[b]; });
  wrong.resize(std::min(wrong.size(), most));
  return wrong;
}

std::vector<Score> ClassJudge::scores(int64_t classes) {
  std::vector<Score> out;
  for (const auto& name : ClassificationScore::names_beside_loss(classes)) out.push_back({name, name != "loss"});
  return out;
}

}  // namespace hadal
