// The loop behind `hadal predict`: inputs in, batch by batch, predictions.jsonl and the files of the answers out.
#pragma once
#include <filesystem>
#include <functional>

#include "hadal/trained/inputs.h"

namespace hadal {

struct PredictJob {
  std::filesystem::path out;                       // predictions.jsonl, attachments; pictures go to pictures/
  bool files = true;                               // write what goes with the answers
  std::vector<std::filesystem::path> inputs = {};  // files that must not be written over
  int64_t limit = 0;                               // stop after this many, a video's frames one by one; 0: all
  std::function<void(const std::string& line)> listen = {};
};

struct PredictCount {
  int64_t answered = 0, failed = 0;
  bool stopped = false;     // by stop_requested()
  std::string first_error;  // of those that failed
};

/// A line of JSON for each source, in order: its answer, or {"input", "error"}; the others go on. Looks at
/// stop_requested() between batches; what was answered by then is kept. Files are called as their input with the
/// attachment's ending, and a number where that is taken. A video is a line a frame, {"input", "frame", "time", ...},
/// and its frames' pictures become one video, NAME.mp4.
PredictCount predict_all(Trained& trained, const std::vector<InputSource>& sources, const Table& options,
                         const PredictJob& job);

}  // namespace hadal
