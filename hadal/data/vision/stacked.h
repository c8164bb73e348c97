// Three grey pictures as the colours of one: a thousand classes of digits, by which a generator's modes are counted
// (Metz et al. 2017, arXiv:1611.02163, section 3.3).
#pragma once
#include <memory>

#include "hadal/data/vision/classification.h"

namespace hadal {

class StackedData : public ClassificationData {
 public:
  /// `count` pictures of three drawn from `data`, which is grey, by seed and index alone. Their class is that of the
  /// three together, "042". Throws UsageError for coloured data and, in get(), for pictures of unequal sizes.
  StackedData(std::shared_ptr<const ClassificationData> data, int64_t count, uint64_t seed);

  int64_t size() const override { return count_; }
  LabelledImage get(int64_t index) const override;
  int64_t channels() const override { return 3; }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string name(int64_t index) const override { return fmt::format("stacked[{}]", index); }

 private:
  std::shared_ptr<const ClassificationData> data_;
  int64_t count_;
  uint64_t seed_;
  std::vector<std::string> classes_;
};

}  // namespace hadal
