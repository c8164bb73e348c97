// What every `hadal predict` leaves behind: OUT/predictions.jsonl, a line of JSON for each input.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/tasks/task.h"

namespace hadal {

class Predictions {
 public:
  /// Whoever listens is told each line as it is made; the file is there once all are, or with those before an
  /// exception.
  Predictions(const PredictOptions& options, std::function<void(const std::string&)> listen);
  ~Predictions();

  /// The answer for one input. Names of files need not be UTF-8: what is not is replaced.
  void add(const nlohmann::ordered_json& answer);
  /// {"input", "error"} for a file that could not be read; the others go on.
  void fail(const std::string& input, const std::string& reason);

  /// Puts the file in its place and returns how many were answered. Throws Error where files failed: the reason alone
  /// where there was one, else how many of `all`, which are `what`: "pictures could not be read".
  int64_t finish(size_t all, const std::string& what);

 private:
  void write(const nlohmann::ordered_json& line);

  std::filesystem::path path_;
  AtomicFile file_;
  std::function<void(const std::string&)> listen_;
  int64_t answered_ = 0, failed_ = 0;
  bool keeps_ = false;  // whole lines are in the file, and it is not in its place
  std::string first_reason_;
};

/// The `top` likeliest classes, best first: [{"class", "score"}] from probabilities (classes), on the CPU.
nlohmann::ordered_json top_classes(const Tensor& probabilities, const std::vector<std::string>& names, int64_t top);

}  // namespace hadal
