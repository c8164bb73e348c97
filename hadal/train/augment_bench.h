// What more training data is worth: a classifier of few examples alone, with classical augmentation, and with samples
// that generative models made.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hadal/train/recipe.h"

namespace hadal {

struct AugmentBenchConfig {
  std::vector<std::string> runs;
  int64_t labels = 100, seeds = 3, n = 2000, limit = 0;
  std::string judge;
  double confidence = 0.9;
  bool redraw = false, both = false;

  static Fields<AugmentBenchConfig> fields();
  void validate() const;
};

/// A row of the table.
struct AugmentRow {
  std::string name;            // "alone", "classical", a run's name, the same with ", sure ones"
  int64_t added = 0;           // made samples beside the labelled ones
  std::vector<double> scores;  // one a seed
  double mean() const;
  /// Half the width of the 95 % interval of the mean, by Student's t; NaN for one seed.
  double half_width() const;
};

struct AugmentTable {
  std::string title, metric;
  int64_t labels = 0, steps = 0;
  bool redraw = false;
  std::vector<AugmentRow> rows;

  std::string markdown() const;
  std::string json() const;
};

/// Trains `recipe`'s classifier anew for every row and seed, in equally many steps. The seed is that of the weights and
/// batches, with `redraw` of the labelled examples too. Samples of the runs go to `folder`/samples; those that the
/// judge takes for the class they were asked for, with the confidence, are the sure ones. `say` is told how it goes,
/// `keep` is given the table after each training. A request to stop ends it with the rows that there are. Throws
/// UsageError before the first training for runs and judges that do not go with the recipe's data.
AugmentTable compare_augmentations(const Recipe& recipe, const AugmentBenchConfig& config,
                                   const std::filesystem::path& folder,
                                   const std::function<void(const std::string&)>& say = {},
                                   const std::function<void(const AugmentTable&)>& keep = {});

}  // namespace hadal
