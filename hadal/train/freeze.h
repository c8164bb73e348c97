// Parts of a model that stay as they are for some epochs: by name, from epoch to epoch.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/core/torch.h"

namespace hadal {

/// Parameters whose names fit `match` (* any text, ? any letter), and everything within the modules that do, do not
/// move in the epochs from `from` to before `until`, counted from 0.
struct FreezeRule {
  std::string match;
  int64_t from = 0, until = 0;  // until 0: to the end

  static Fields<FreezeRule> fields();
  bool holds(int64_t epoch) const { return epoch >= from && (until == 0 || epoch < until); }
  bool operator==(const FreezeRule&) const = default;
};

/// "layer1", or { match = "layer1", until = 5 }.
template <>
struct Setting<FreezeRule> {
  static std::string type() { return "{ match, from, until }"; }
  static FreezeRule read(const Value& value, const std::string& path, const Limit&);
  static Value write(const FreezeRule& rule) { return write_config(rule); }
};

class Freezer {
 public:
  /// Throws UsageError when a rule fits nothing, or when in some epoch nothing would be left to train.
  Freezer(nn::Module& module, std::vector<FreezeRule> rules);
  /// Everything that was trained asks for gradients again.
  ~Freezer();
  Freezer(const Freezer&) = delete;
  Freezer& operator=(const Freezer&) = delete;

  /// Frozen parameters ask for no gradients, so no optimiser moves them; the others ask for them again.
  void begin_epoch(int64_t epoch);
  /// The module in train mode, but for BatchNorm in frozen parts, whose running statistics stay as they are too.
  void train_mode();

 private:
  bool frozen(const std::string& name, int64_t epoch) const;

  nn::Module& module_;
  std::vector<FreezeRule> rules_;
  TensorsByName trained_;  // what asked for gradients before anything was frozen
  int64_t epoch_ = 0;
};

}  // namespace hadal
