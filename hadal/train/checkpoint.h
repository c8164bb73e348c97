// Checkpoints: everything a run needs to go on as if it had never stopped, in one file that is replaced atomically.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "hadal/io/tensors.h"
#include "hadal/metrics/metrics.h"
#include "hadal/optim/optimizer.h"
#include "hadal/train/callback.h"
#include "hadal/train/early_stopping.h"

namespace hadal {

/// The numbers of a run that are no tensors.
struct Progress {
  RunState state;
  int64_t epoch = 0, batch = 0;  // place in the data: this batch of this epoch comes next
  Metrics best, last;
  int64_t best_step = -1;
  double loss_sum = 0, loss_count = 0;  // of the steps since the last evaluation
  double loss_scale = 65536;            // fp16 alone
  int64_t good_steps = 0;               // since the loss scale last changed
  int64_t bad_steps = 0;                // skipped in a row
  Patience patience;                    // of early stopping
  std::optional<Metrics> due;           // of the last step, where its evaluation is still to be made
};

/// The generator of each device, dropout and initialisation draw from them.
TensorsByName random_states(const torch::Device& device);
void set_random_states(const TensorsByName& states, const torch::Device& device);

/// `groups` are saved under their names: "model", "optimizer.0", "ema", "task", "random".
struct Checkpoint {
  Progress progress;
  std::string about;  // the task's summary: what was trained, on how much
  std::vector<std::pair<std::string, TensorsByName>> groups;

  /// nullptr where there is none of this name.
  const TensorsByName* find_group(const std::string& name) const;
  const TensorsByName& group(const std::string& name) const;
  const Tensor& tensor(const std::string& group, const std::string& name) const;
  void save(const std::filesystem::path& path) const;
  /// Throws FileError when the file is none of ours.
  static Checkpoint load(const std::filesystem::path& path);
};

}  // namespace hadal
