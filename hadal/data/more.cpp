#include "hadal/data/more.h"

#include <algorithm>
#include <numeric>

#include "hadal/core/random.h"

namespace hadal {

Fields<MoreData> MoreData::fields() {
  using C = MoreData;
  return {
      {"more", &C::more, "class folders whose samples training sees too, such as generate layout=folders makes",
       file_path()},
      {"labels", &C::labels, "train on so many labelled examples alone, as many of each class; 0: on all", at_least(0)},
      {"labels_seed", &C::labels_seed, "another seed chooses others", at_least(0)}};
}

std::vector<int64_t> chosen_examples(const std::vector<int64_t>& label_of, const std::vector<std::string>& classes,
                                     const MoreData& how) {
  std::vector<int64_t> out(label_of.size());
  std::iota(out.begin(), out.end(), 0);
  if (how.labels == 0) return out;
  const auto count = std::ssize(classes);
  require(how.labels >= count, "data.labels={} are fewer than the {} classes; one of each at least is needed",
          how.labels, count);
  const auto seed = static_cast<uint64_t>(how.labels_seed);
  std::vector<int64_t> turns(static_cast<size_t>(count));
  std::iota(turns.begin(), turns.end(), 0);
  Random(seed).shuffle(turns);
  std::vector<std::vector<int64_t>> of_class(static_cast<size_t>(count));
  for (const auto index : out) of_class.at(static_cast<size_t>(label_of[static_cast<size_t>(index)])).push_back(index);
  out.clear();
  for (int64_t turn = 0; turn < count; ++turn) {
    const auto label = static_cast<size_t>(turns[static_cast<size_t>(turn)]);
    const auto wanted = how.labels / count + (turn < how.labels % count ? 1 : 0);
    auto& there = of_class[label];
    require(std::ssize(there) >= wanted, "data.labels={} want {} examples of \"{}\" and the data has {}", how.labels,
            wanted, classes[label], there.size());
    Random(seed, {1, label}).shuffle(there);
    out.insert(out.end(), there.begin(), there.begin() + wanted);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace hadal
