// An exponential moving average of a module's weights (Polyak & Juditsky 1992): smoother, and usually better, than the
// last.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

class Ema {
 public:
  /// average = decay x average + (1 - decay) x weights; in the first steps the decay is at most (1 + n) / (10 + n), so
  /// that the random start is soon forgotten. Parameters alone are averaged; buffers (running statistics) stay the
  /// module's own.
  Ema(nn::Module& module, double decay);
  void update(int64_t step);

  /// Puts the average into the module and back when it ends.
  class Swap {
   public:
    explicit Swap(Ema* ema) : ema_(ema) {
      if (ema_) ema_->swap();
    }
    ~Swap() {
      if (ema_) ema_->swap();
    }
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

   private:
    Ema* ema_;
  };

  TensorsByName state() const;
  void load_state(const TensorsByName& state);

 private:
  void swap();
  double decay_;
  std::vector<std::string> names_;
  std::vector<Tensor> weights_, averages_;
};

}  // namespace hadal
