// What a decoder's output says of a picture's values: distributions over pictures in [0, 1].
#pragma once
#include <string>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

enum class Likelihood {
  bernoulli,  // a logit a value; a likelihood where values are 0 or 1, cross entropy where they are grey
  logistic,   // of the 256 levels of a byte, by a logistic: mean and log scale (Kingma et al. 2016, arXiv:1606.04934)
  gaussian    // the same by a normal distribution
};
/// By the name above. Throws UsageError with the known names.
Likelihood likelihood_named(const std::string& name);
const std::vector<std::string>& likelihood_names();
/// Numbers a value: 1 logit, or mean and log scale.
int64_t parameters_of(Likelihood kind);

/// parameters (N, parameters_of C, H, W), the means of all channels first, x (N, C, H, W) in [0, 1] -> (N): log p(x) in
/// nats, summed over the picture. The outermost levels hold all that lies beyond them.
Tensor log_likelihood(Likelihood kind, const Tensor& parameters, const Tensor& x);
/// (N, C, H, W): the mean, in [0, 1].
Tensor mean_picture(Likelihood kind, const Tensor& parameters);

/// Nats a picture of so many values -> bits a value.
double bits_per_dimension(double nats, int64_t values);

}  // namespace hadal
