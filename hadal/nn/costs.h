// What a module computes, layer by layer: its products are counted while they run, by LibTorch's own observer of
// operators. FLOPs are 2 x multiply-adds of convolutions, linear layers and products, attention's among them; what a
// causal mask saves is not taken off.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// A module with parameters of its own.
struct LayerCost {
  std::string name;
  std::vector<int64_t> shape;  // of what it gave first; empty where no operator of LibTorch told
  int64_t parameters = 0;      // tied ones count where they come first
  double flops = 0;
};

/// Counts the products of this thread while it lives; where two live, the newer alone. Computes nothing itself.
class FlopCount {
 public:
  FlopCount();
  ~FlopCount();
  FlopCount(const FlopCount&) = delete;
  FlopCount& operator=(const FlopCount&) = delete;

  /// Of what was computed since the beginning, backward passes left out.
  double forward() const;
  /// The same with the gradients of all of it: a product as large for each of its two sides that wants one.
  double with_gradients() const;

  struct State;

 private:
  friend std::vector<LayerCost> layer_costs(nn::Module&, const std::function<void()>&);
  std::unique_ptr<State> state_;
};

/// Every layer of `module` in its order, with what it costs in `forward`, which runs the module once. Behind them
/// "products": what belongs to no layer, as attention does; left out where there is none.
std::vector<LayerCost> layer_costs(nn::Module& module, const std::function<void()>& forward);

/// The FLOPs of one run of `body`.
double flops_of(const std::function<void()>& body);

}  // namespace hadal
