// What a generative model is asked for, whatever it makes and however: how many, of which class, from which noise.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/core/torch.h"

namespace hadal {

struct MakeOptions {
  int64_t n = 64, seed = 1, walk = 0, columns = 0;
  std::vector<std::string> of;  // setting `class`
  std::string latents, layout = "files";
  bool raw = false;

  static Fields<MakeOptions> fields();
  void validate() const;
};

/// Samples to be made side by side.
struct Wanted {
  Tensor noise;       // (N, ...): all that they depend on, with their labels
  Tensor labels;      // (N) int64; undefined where there are no classes
  int64_t first = 0;  // the number of the first, for what is drawn along the way
};
/// Told how far a batch is, 0 to 1. It ends a batch that is not wanted any more by what it throws.
using HowFar = std::function<void(double share)>;

/// How samples are made once options are settled: (N, ...) as the net gives them.
struct Making {
  MakeOptions options;
  std::function<Tensor(const Wanted&, const HowFar&)> make;
  /// A picture besides the samples, (H, W, 3) uint8, once all are made: its file's name, and how it is drawn.
  std::vector<std::pair<std::string, std::function<Tensor()>>> also = {};
};

/// The labels of `count` samples: of the classes in `of`, by name or number, each in turn; all classes in turn where
/// none is asked for. Undefined where `names` is empty, and then nothing may be asked for. Throws UsageError with the
/// nearest names.
std::vector<int64_t> labels_of(const MakeOptions& options, const std::vector<std::string>& names);

/// (n, shape...): from the file `latents` (its key z, which may lack or have further extents of 1), or by seed and
/// number alone. With a walk the n are its corners, from each to the next in `walk` steps on the sphere between them.
Tensor noise_of(const MakeOptions& options, at::IntArrayRef shape);

/// n, or with a walk all its steps.
int64_t samples_in(const MakeOptions& options);

}  // namespace hadal
