// A task joins a model, data, losses and scores into something the trainer can train without knowing what it is.
#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/core/torch.h"
#include "hadal/io/tensors.h"
#include "hadal/metrics/metrics.h"
#include "hadal/tasks/batches.h"
#include "hadal/tasks/figure.h"

namespace hadal {

struct Losses {
  Tensor total;   // what is differentiated, a mean over the batch
  Metrics parts;  // named pieces worth showing; may be empty
};

/// A part of every step with a module and an optimiser of its own: a GAN has its discriminator's and its generator's.
struct Phase {
  std::string name;
  nn::Module* module;  // whose parameters move; within the task's model
  int64_t every = 1;   // in every n-th step
};

/// Where in the run losses are asked for, for what depends on it (a warm-up of a weight, a lazy penalty).
struct Step {
  size_t phase = 0;
  int64_t number = 0, of = 0;  // steps done, and in all
};

/// A score that evaluate() gives, and which way is better.
struct Score {
  std::string name;
  bool higher = true;
};

class Task {
 public:
  virtual ~Task() = default;

  /// All that is trained, saved and resumed: its trained thing's model; a GAN's has the discriminator beside it.
  virtual nn::Module& model() = 0;
  /// What an average of weights is kept of: a GAN's generator.
  virtual nn::Module& averaged() { return model(); }
  /// The settings with all defaults, as config.toml keeps them.
  virtual Table settings() const { return {}; }
  /// What the data taught that is no tensor: the [learned] of config.toml and of weights.
  virtual Table learned() const { return {}; }

  /// What checkpoints keep besides model(), so that a resumed run shows and scores what one that was never stopped
  /// does.
  virtual TensorsByName state() const { return {}; }
  virtual void load_state(const TensorsByName&) {}

  virtual std::vector<Phase> phases() { return {{"train", &model()}}; }
  virtual Batches& batches() = 0;
  /// Of the batch that batches() holds.
  virtual Losses losses(const Step& step) = 0;

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
  /// What evaluate() gives, so that a wrong name is refused at the start; empty: not known before.
  virtual std::vector<Score> scores() const { return {}; }
  /// The score that picks the best weights, without its split; one of scores() where these are known.
  virtual std::string goal() const { return "loss"; }
  /// Of "accuracy", "val/accuracy": whether more is better. What no score is called (loss, minutes) is better small.
  bool higher_is_better(const std::string& metric) const {
    const auto name = metric.substr(metric.rfind('/') + 1);
    const auto all = scores();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Score& score) { return score.name == name; });
    return found != all.end() && found->higher;
  }
  /// Scores the model, in eval mode and without gradients, on at most `limit` samples (0: all). The names carry no
  /// split.
  virtual Metrics evaluate(const std::string&, int64_t /*limit*/) { return {}; }
  /// Pictures of the last evaluation.
  virtual std::vector<Figure> figures() { return {}; }
  /// What whoever watches should know after the last evaluation: a line each. Said as often as it is so.
  virtual std::vector<std::string> alarms() const { return {}; }
  /// What the programs that a model comes from read, beside the file of its weights (`weights/best` without ending).
  virtual void write_beside(const std::filesystem::path& /*weights*/) {}
  /// A line about model and data for the start of a run and the report.
  virtual std::string summary() const { return ""; }
};

using TaskCatalog = Catalog<std::unique_ptr<Task>, const TaskContext&>;
/// Every kind of problem Hadal knows.
const TaskCatalog& tasks();

}  // namespace hadal
