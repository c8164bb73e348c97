// Optimisers: what turns gradients into new parameters. One class per update rule; groups, state and checkpoints live
// in the base class.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/core/torch.h"

namespace hadal {

/// Parameters that share their rates. The scales multiply the optimiser's own lr and weight_decay.
struct ParamGroup {
  TensorsByName params;
  double lr_scale = 1, decay_scale = 1;
};

/// All parameters of a module that ask for gradients. With `plain_decay` false, norms and biases (parameters of fewer
/// than two dimensions) get a group of their own without weight decay.
std::vector<ParamGroup> param_groups(const nn::Module& module, bool plain_decay);

/// What a schedule sets for one step.
struct Rates {
  double lr_factor = 1;            // multiplies every group's learning rate
  std::optional<double> momentum;  // replaces momentum (SGD) or beta1 (Adam) when set
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update of every parameter that has a gradient.
  void step(const Rates& rates);
  /// Drops the gradients.
  void zero_grad();
  /// The base learning rate, before the schedule and the groups' scales.
  double lr() const { return lr_; }
  std::vector<Tensor> parameters() const;

  /// Everything a checkpoint needs: "exp_avg.NAME" and so on, and "steps".
  TensorsByName state() const;
  /// Throws Error when the state is of another optimiser or of other parameters.
  void load_state(const TensorsByName& state);

 protected:
  /// The parameters of one group that have gradients now, with their gradients and state.
  struct Active {
    std::vector<Tensor> params, grads;
    std::vector<std::vector<Tensor>> state;  // state[slot][i]
    double lr, decay_scale;
    std::optional<double> momentum;
  };
  /// `slots` names the state tensors each parameter has, shaped like it and zero at first.
  Optimizer(std::vector<ParamGroup> groups, std::vector<std::string> slots, double lr);
  virtual void update(Active& active) = 0;
  /// 1 in the first step.
  int64_t steps() const { return steps_; }

 private:
  struct Group {
    ParamGroup given;
    std::vector<std::vector<Tensor>> state;  // state[slot][i]
  };
  std::vector<Group> groups_;
  std::vector<std::string> slots_;
  double lr_;
  int64_t steps_ = 0;
};

using OptimizerCatalog = Catalog<std::unique_ptr<Optimizer>, std::vector<ParamGroup>>;
const OptimizerCatalog& optimizers();

/// The L2 norm of all gradients together.
Tensor grad_norm(const std::vector<Tensor>& parameters);
/// Scales the gradients so that their norm is at most `most`; returns the norm before (Pascanu et al. 2013,
/// arXiv:1211.5063).
Tensor clip_grad_norm(const std::vector<Tensor>& parameters, double most);

}  // namespace hadal
