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
#include "hadal/ops/updated.h"
#include "hadal/optim/groups.h"

namespace hadal {

/// What a schedule sets for one step.
struct Rates {
  double lr_factor = 1;            // multiplies every group's learning rate
  std::optional<double> momentum;  // replaces momentum (SGD) or beta1 (Adam) when set
};

/// What a backward pass left in the parameters' gradients, and how a step is to take them. Parameters stay in the type
/// they have; steps of bf16 and fp16 ones are taken in float, on a copy that is part of the state.
struct Evaluation {
  double loss = 0;     // for optimisers that compare losses
  bool finite = true;  // loss and gradients
  GradientUse use;
  std::vector<double> group_scale;  // multiplies use.scale, group by group; empty: 1 for all
};
/// Computes loss and gradients of the same batch again, with the parameters as they are now.
using Closure = std::function<Evaluation()>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update of every parameter that has a gradient. False when `again` met what is not finite, so that parameters
  /// and state are as they were. Throws UsageError when needs_closure() and there is none.
  virtual bool step(const Rates& rates, const Evaluation& evaluation = {}, const Closure& again = {});
  /// Whether a step evaluates the loss more than once.
  virtual bool needs_closure() const { return false; }
  /// Whether what is scored is an average of its own, which wants a constant rate and no other average of weights.
  virtual bool averages() const { return false; }
  /// Whether steps go by the rate after the first one, too.
  virtual bool follows_rate() const { return true; }
  /// Drops the gradients.
  void zero_grad();
  /// The base learning rate, before the schedule and the groups' scales.
  double lr() const { return lr_; }
  std::vector<Tensor> parameters() const;
  /// The parameters by group, under their names.
  std::vector<const TensorsByName*> groups() const;

  /// While it lives, the parameters hold the values that are to be scored and saved; they are the trained ones except
  /// for methods that train one point and score another (schedule-free).
  class Scored {
   public:
    explicit Scored(Optimizer& optimizer) : optimizer_(optimizer), before_(optimizer.shows_scored_) {
      optimizer_.show_scored(true);
    }
    ~Scored() { optimizer_.show_scored(before_); }
    Scored(const Scored&) = delete;
    Scored& operator=(const Scored&) = delete;

   private:
    Optimizer& optimizer_;
    bool before_;
  };
  /// The same without an end, for what comes after the last step.
  void show_scored(bool scored) {
    if (scored != shows_scored_) swap_scored(scored);
    shows_scored_ = scored;
  }

  /// Everything a checkpoint needs: "exp_avg.NAME" and so on, and "steps", those of each parameter.
  virtual TensorsByName state() const;
  /// Throws Error, and changes nothing, unless names and shapes are this optimiser's and its parameters'. (Adam's state
  /// and AdamW's are the same.)
  virtual void load_state(const TensorsByName& state);

 protected:
  /// A state tensor per parameter, as it is before the first step; an undefined one where the parameter needs none.
  struct Slot {
    std::string name;
    std::function<Tensor(const std::string& param, const Tensor& value)> make;
    /// Shaped like the parameter.
    static Slot like(std::string name, double value = 0);
  };
  /// A number per parameter.
  struct Number {
    std::string name;
    double initial = 0;
  };

  /// Parameters of one group that have gradients now and went through as many steps.
  struct Active {
    std::vector<Updated> tensors;
    std::vector<std::string> names;
    std::vector<double> numbers;  // as the constructor named them; what update() leaves there is kept
    int64_t step = 1;             // 1 in the first
    double lr = 0, decay_scale = 1;
    std::optional<double> momentum;
    GradientUse use;
  };

  Optimizer(std::vector<ParamGroup> groups, double lr, std::vector<Slot> slots, std::vector<Number> numbers = {});
  virtual void update(Active& active) = 0;
  /// Sets the parameters to what is scored, or back.
  virtual void swap_scored(bool) {}
  /// Whether update() can be given the rows of a sparse gradient alone.
  virtual bool takes_rows() const { return false; }
  /// Before the groups are updated; may change how gradients are taken.
  virtual void begin_step(Evaluation&) {}

  struct Param {
    std::string name;
    Updated tensors;
    std::vector<double> numbers;
    int64_t steps = 0;
  };
  struct Group {
    ParamGroup given;
    std::vector<Param> params;
  };
  /// State is made when it is first needed, so that weights may be loaded after the optimiser was made.
  std::vector<Group>& ready();

 private:
  struct Entry;
  std::vector<Entry> entries();
  void update_rows(Param& param, Active& active);

  std::vector<Group> groups_;
  std::vector<Slot> slots_;
  std::vector<Number> numbers_;
  double lr_;
  bool ready_ = false, shows_scored_ = false;
};

using OptimizerCatalog = Catalog<std::unique_ptr<Optimizer>, std::vector<ParamGroup>>;
const OptimizerCatalog& optimizers();
/// Where a method's learning rate stands in its settings: "lr", or "base.lr" for one around another.
std::string lr_path(const Part& optimizer);

/// The learning rate in every optimiser's settings, and the switch to climb instead of descend.
template <class C>
typename Fields<C>::Item lr_field() {
  return {"lr", &C::lr, "learning rate", at_least(0)};
}
template <class C>
typename Fields<C>::Item maximize_field() {
  return {"maximize", &C::maximize, "climb instead of descend"};
}

}  // namespace hadal
