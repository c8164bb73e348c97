#include "hadal/data/sound/spec_augment.h"

#include <algorithm>

#include "hadal/core/shape.h"

namespace hadal {

void spec_augment(Tensor& features, const SpecAugment& how, Random& random) {
  expect_shape("spec_augment", features, {kAny, kAny});
  require(how.bands >= 0 && how.steps >= 0 && how.masks >= 0 && how.share >= 0 && how.share <= 1,
          "[spec_augment] bands ({}), steps ({}) and masks ({}) must be at least 0, share ({}) from 0 to 1", how.bands,
          how.steps, how.masks, how.share);
  const auto mask = [&](int64_t dimension, int64_t most, double share) {
    const auto size = features.size(dimension);
    const auto limit = std::min(size, static_cast<int64_t>(share * static_cast<double>(size)));
    for (int64_t i = 0; most > 0 && i < how.masks; ++i) {
      const auto width = std::min(random.between(0, most), limit), from = random.between(0, size - width);
      features.narrow(dimension, from, width).fill_(how.value);
    }
  };
  mask(0, how.bands, 1);
  mask(1, how.steps, how.share);
}

}  // namespace hadal
