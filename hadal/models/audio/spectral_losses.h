// How far a sound is from another by their spectra: what vocoders are trained by, and measured by.
#pragma once
#include <vector>

#include "hadal/ops/mel.h"

namespace hadal {

/// Coarse and fine windows for sounds of this rate: 25, 50 and 10 ms with hops of 5, 10 and 2 ms, as Parallel WaveGAN
/// has them (Yamamoto et al. 2020, arXiv:1910.11480), in transforms of the next power of two.
std::vector<StftShape> stft_resolutions(int64_t rate);

/// Of two sounds (..., T), meaned over the resolutions: |M - M'| / |M| by Frobenius norms, M being the real one's
/// magnitudes, and the mean of |log M - log M'|.
struct StftLoss {
  Tensor convergence, magnitude;  // scalars
  Tensor sum() const { return convergence + magnitude; }
};
/// Throws Error for sounds of other shapes, and without resolutions.
StftLoss stft_loss(const Tensor& made, const Tensor& real, const std::vector<StftShape>& resolutions);

/// The mean of |log M - log M'|, M being the magnitudes in bands, at least `floor`.
Tensor mel_loss(const Tensor& made, const Tensor& real, const StftShape& shape, const MelBands& bands,
                double floor = 1e-5);

}  // namespace hadal
