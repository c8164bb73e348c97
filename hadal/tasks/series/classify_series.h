// Classification of series: one label a sound, seen as its spectrogram.
#pragma once
#include "hadal/data/sound/sounds.h"
#include "hadal/tasks/task.h"

namespace hadal {

struct ClassifySeriesConfig {
  Part model{"series_classifier", {}}, data{"sounds", {}};
  SeriesAugment augment;
  std::vector<std::string> names;  // of the classes for people; those of the labels without them
  double label_smoothing = 0;

  static Fields<ClassifySeriesConfig> fields();
};

void register_classify_series(TaskCatalog& catalog);

}  // namespace hadal
