#include "hadal/train/statistics.h"

namespace hadal {
namespace {

/// Resets the statistics of a BatchNorm that is training; nullptr for everything else.
template <class... Norms>
std::optional<double>* reset(nn::Module& module) {
  std::optional<double>* momentum = nullptr;
  const auto as = [&]<class Norm>(Norm* norm) {
    if (!norm || !norm->options.track_running_stats()) return;
    norm->reset_running_stats();
    momentum = &norm->options.momentum();
  };
  (as(dynamic_cast<Norms*>(&module)), ...);
  return momentum;
}

}  // namespace

KeptBuffers::KeptBuffers(const nn::Module& module) {
  for (const auto& buffer : module.buffers()) kept_.push_back({buffer, {}});
}

void KeptBuffers::keep() {
  const torch::NoGradGuard no_grad;
  for (auto& kept : kept_)
    if (kept.copy.defined())
      kept.copy.copy_(kept.buffer);
    else
      kept.copy = kept.buffer.clone();
}

void KeptBuffers::restore() {
  const torch::NoGradGuard no_grad;
  for (auto& kept : kept_) kept.buffer.copy_(kept.copy);
}

FreshStatistics::FreshStatistics(nn::Module& module) {
  for (const auto& part : module.modules())
    if (part->is_training())
      if (auto* momentum = reset<nn::BatchNorm1dImpl, nn::BatchNorm2dImpl, nn::BatchNorm3dImpl>(*part)) {
        norms_.push_back({momentum, *momentum});
        *momentum = std::nullopt;  // the mean of all batches
      }
}

FreshStatistics::~FreshStatistics() {
  for (const auto& norm : norms_) *norm.momentum = norm.before;
}

}  // namespace hadal
