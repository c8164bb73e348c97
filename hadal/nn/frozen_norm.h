// Batch norms that stay as they are, as detectors on pretrained bodies have them: batches of two pictures say little
// about a channel's mean.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// Weights and biases of every BatchNorm2d in `module` ask for no gradient, and running statistics are used and kept.
/// A module with such norms overrides train() to end with this call, since train() wakes them.
void freeze_batch_norms(nn::Module& module);

/// Sets eps and momentum of every BatchNorm2d in `module`.
void set_batch_norms(nn::Module& module, double eps, double momentum);

}  // namespace hadal
