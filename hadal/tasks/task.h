// A task joins a model, data, losses and scores into something the trainer can train without knowing what it is.
#pragma once
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/core/torch.h"
#include "hadal/metrics/metrics.h"
#include "hadal/tasks/batches.h"
#include "hadal/tasks/figure.h"

namespace hadal {

/// What every task is given besides its own settings.
struct TaskContext {
  torch::Device device = torch::kCPU;
  std::string precision = "fp32";
  int64_t batch = 64, workers = 2;
  bool channels_last = false;  // keep pictures and convolutions with their channels innermost
  uint64_t seed = 0;
  bool open_data = true;          // false: predict alone, no data set is opened
  bool train_data = true;         // false: only to be scored, the training split may be missing
  std::filesystem::path weights;  // loaded into the model when set
};

struct Losses {
  Tensor total;   // what is differentiated, a mean over the batch
  Metrics parts;  // named pieces worth showing; may be empty
};

/// The score that picks the best weights.
struct Goal {
  std::string metric;  // without its split: "accuracy"
  bool higher_is_better = true;
};

/// What predict was asked for.
struct PredictOptions {
  std::vector<std::string> inputs;  // files and folders
  std::vector<std::string> texts;   // texts as they are, for tasks that read them
  std::filesystem::path out;        // predictions.jsonl and pictures go here
  int64_t limit = 0;                // 0: all
  int64_t top = 5;
  bool pictures = true;
};

class Task {
 public:
  virtual ~Task() = default;

  virtual nn::Module& model() = 0;
  /// The settings with all defaults, as config.toml keeps them.
  virtual Table settings() const { return {}; }
  /// What a weights file should say about itself so that predict needs nothing else: class names and the like.
  virtual std::map<std::string, std::string> metadata() const { return {}; }
  /// Layers whose weights may stay as they are when pretrained ones have another class count; empty: none.
  virtual std::string head() const { return ""; }

  /// A step may have several phases (a GAN: discriminator, generator), each with its own module and optimiser.
  virtual std::vector<std::string> phases() const { return {"train"}; }
  virtual nn::Module& phase_module(size_t) { return model(); }

  virtual Batches& batches() = 0;
  /// Of the batch that batches() holds.
  virtual Losses losses(size_t phase) = 0;

  /// Those of the data that are there: of train, val and test.
  virtual std::vector<std::string> splits() const { return {}; }
  bool has_split(const std::string& name) const {
    const auto there = splits();
    return std::find(there.begin(), there.end(), name) != there.end();
  }
  /// Throws UsageError where the data has none of this name.
  void require_split(const std::string& name) const {
    if (!has_split(name)) fail_usage("the data has no split \"{}\"; it has {}", name, fmt::join(splits(), ", "));
  }
  /// Scores the model, in eval mode and without gradients, on at most `limit` samples (0: all). The names carry no
  /// split.
  virtual Metrics evaluate(const std::string&, int64_t /*limit*/) { return {}; }
  /// The names that evaluate() gives, so that a wrong one is refused at the start; empty: not known before.
  virtual std::vector<std::string> metric_names() const { return {}; }
  virtual Goal goal() const { return {"loss", false}; }
  /// Pictures of the last evaluation.
  virtual std::vector<Figure> figures() { return {}; }
  /// A line about model and data for the start of a run and the report.
  virtual std::string summary() const { return ""; }

  /// Writes predictions.jsonl and pictures; returns the number of inputs. `line` is called with each JSON line.
  virtual int64_t predict(const PredictOptions&, const std::function<void(const std::string&)>& /*line*/) {
    fail_usage("this task makes no predictions");
  }
};

using TaskCatalog = Catalog<std::unique_ptr<Task>, const TaskContext&>;
/// Every kind of problem Hadal knows.
const TaskCatalog& tasks();

}  // namespace hadal
