// Classification of series: one label a sound, seen as its spectrogram.
#pragma once
#include "hadal/data/sound/series_augment.h"
#include "hadal/tasks/task.h"
#include "hadal/trained/series/classifier.h"

namespace hadal {

struct ClassifySeriesConfig : SoundClassifierConfig {
  SeriesAugment augment;
  double label_smoothing = 0;

  static Fields<ClassifySeriesConfig> fields();
};

void register_classify_series(TaskCatalog& catalog);

}  // namespace hadal
