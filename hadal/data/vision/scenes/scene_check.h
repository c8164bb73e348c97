// What is wrong with a data set: the whole of it for `hadal check`, the quick half before training.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "hadal/data/vision/scenes/sources.h"

namespace hadal {

struct SplitSummary {
  std::string name;
  int64_t pictures = 0, objects = 0, empty = 0, crowds = 0;
  int64_t pointed = 0, posed = 0;  // objects with a list of keypoints, and with one in it that is there
  std::vector<int64_t> classes;    // objects of each
};

struct SceneReport {
  std::string kind, root;
  SceneAbout about;
  std::vector<SplitSummary> splits;
  std::vector<SceneFault> faults;  // at most 100,000, by place
  struct Sum {
    Fault fault;
    int64_t count;
  };
  std::vector<Sum> sums;                    // of every kind that came, the heaviest first
  std::shared_ptr<const SceneFiles> files;  // what was read

  int64_t errors() const;  // error and fatal
  int64_t warnings() const;
  bool usable() const;  // nothing fatal
};

/// Called with pictures done and all of them, from one thread at a time.
using CheckProgress = std::function<void(int64_t done, int64_t of)>;

/// Reads labels and every picture, in parallel. `kind` is a name of SceneKind or auto. Throws FileError where nothing
/// of the kind lies at the path.
SceneReport check_scenes(const std::string& kind, const SceneFilesConfig& config, const CheckProgress& progress = {});

/// What labels alone tell, of data that was opened: no picture is read.
SceneReport quick_check(const SceneSource& source);

/// Splits, classes and sums as lines; then up to `most` faults a kind, file by file.
std::string describe(const SceneReport& report, int64_t most = 10);

/// Up to `count` pictures with their truth drawn, captioned: those with errors first, then evenly spread. Undefined
/// where no picture decodes.
Tensor draw_report(const SceneReport& report, int64_t count = 16, int64_t side = 320);

/// The objects of a record against a picture of this size (0: not known, then only what needs none).
void check_record(const SceneRecord& record, const SceneAbout& about, const std::string& where, int64_t width,
                  int64_t height, FaultLog& log);

}  // namespace hadal
