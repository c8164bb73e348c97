// Averages of a module's weights: smoother, and usually better, than the last. Running statistics (buffers of floats)
// belong to the weights they were taken with, so they are averaged too; those of SWA are taken anew.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

class Average {
 public:
  virtual ~Average() = default;

  /// Puts the average into the module and back when it ends.
  class Swap {
   public:
    explicit Swap(Average* average) : average_(average) {
      if (average_) average_->show();
    }
    ~Swap() {
      if (average_) average_->put_back();
    }
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

   private:
    Average* average_;
  };

  virtual TensorsByName state() const;
  /// Throws Error when names or shapes are those of another model.
  virtual void load_state(const TensorsByName& state);

 protected:
  struct Of {
    bool parameters = true, statistics = true;
  };
  Average(const nn::Module& module, Of of);
  /// averages += share x (weights - averages).
  void move(double share);
  /// The average becomes the module's weights.
  void settle();

 private:
  void show();
  void put_back();
  std::vector<std::string> names_;
  std::vector<Tensor> weights_, averages_;  // averages of bf16 and fp16 weights are float: small steps are lost there
  std::vector<Tensor> held_;                // the weights, while the averages are in the module
};

/// An exponential moving average (Polyak & Juditsky 1992).
class Ema : public Average {
 public:
  /// average = d x average + (1 - d) x weights with d = min(decay, (1 + n) / (warmup + n)) in step n, so that the
  /// random start is soon forgotten; a warmup of 1 or less leaves d at `decay`.
  Ema(const nn::Module& module, double decay, double warmup = 10)
      : Average(module, Of{}), decay_(decay), warmup_(warmup) {}
  /// After step `step`, 1 the first.
  void update(int64_t step);

 private:
  double decay_, warmup_;
};

/// Stochastic weight averaging (Izmailov et al. 2018, arXiv:1803.05407): the plain mean of the weights at some points
/// of the end of a run. Running statistics must be taken anew for it.
class Swa : public Average {
 public:
  explicit Swa(const nn::Module& module) : Average(module, Of{.statistics = false}) {}
  void update();
  int64_t count() const { return count_; }
  using Average::settle;

  TensorsByName state() const override;
  void load_state(const TensorsByName& state) override;

 private:
  int64_t count_ = 0;
};

/// The plain mean of running statistics over all steps, for an optimizer whose weights are such a mean (schedule-free).
class StatisticsMean : public Average {
 public:
  explicit StatisticsMean(const nn::Module& module) : Average(module, Of{.parameters = false}) {}
  /// After step `step`, 1 the first.
  void update(int64_t step) { move(1 / static_cast<double>(step)); }
  using Average::settle;
};

}  // namespace hadal
