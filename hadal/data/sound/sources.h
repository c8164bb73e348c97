// Sounds by name: what `data.kind` in a recipe chooses.
#pragma once
#include <functional>
#include <memory>

#include "hadal/core/catalog.h"
#include "hadal/data/sound/sound_folder.h"

namespace hadal {

/// Kinds of data by name, each read when it is asked for.
struct SoundsSource {
  int64_t length = 64;  // steps that a model sees
  MelConfig mel;
  /// `labels` as Sounds takes them; without them it is for training, by what the data's MoreData say too. Without
  /// `hear` as spectrograms, sound_features().
  std::function<std::shared_ptr<const Sounds>(const std::vector<std::string>& labels, const Hearing& hear)> open;
};
const Catalog<SoundsSource>& sound_sources();

}  // namespace hadal
