// A trained generative model of pictures: whatever the net, samples are asked for and written in one way.
#pragma once
#include "hadal/trained/making/samples.h"
#include "hadal/trained/open.h"

namespace hadal {

class Maker : public Trained {
 public:
  Takes takes() const override { return Takes::nothing; }

  /// Checked options over the recipe's [generate], and how samples are made by them.
  virtual Making making(const Table& options = {}) = 0;
  /// Of one sample's noise.
  virtual std::vector<int64_t> noise_shape() const = 0;
  /// Empty where no class can be asked for.
  virtual const std::vector<std::string>& names() const = 0;
  /// (N, C, H, W) as the net gives them -> (N, H, W, C) uint8
  virtual Tensor as_pictures(const Tensor& raw) const = 0;
  /// Further files of a sample: (C, H, W) as the net gave it, on the CPU.
  virtual std::vector<Attachment> files_of(const Tensor& /*raw*/, const std::string& /*stem*/) { return {}; }

  /// (N, ...) on the CPU, batch by batch. Throws Stopped within a batch.
  Tensor samples(const Making& making);
  /// The same into `take`, so that not all are held. `told` learns how far all of them are, 0 to 1; false: enough, not
  /// even the batch at hand. Without it a stop that is requested throws Stopped.
  void each_batch(const Making& making, const std::function<void(const Wanted&, const Tensor& raw)>& take,
                  const std::function<bool(double share)>& told = {});

  /// A sample each: {"file", "class", "seed", "index"}, and the last brings grid.png and, with raw=true,
  /// samples.safetensors (key samples), named as `of_all`. Attachments' endings are whole names.
  void generate(std::span<const Input> prompts, const Table& options, const Told& told) override;
  /// Pictures (N, H, W, C) uint8.
  Tensor operator()(int64_t count, const Table& options = {});

 protected:
  explicit Maker(const Use& use) : use_(use) {}
  Use use_;
};

/// auto maker = load_maker("runs/mnist-gan"); auto pictures = (*maker)(64, {{"class", "7"}});
std::unique_ptr<Maker> load_maker(const std::filesystem::path& what, const UseOptions& options = {});

/// (H, W, C) uint8 side by side without captions, a pixel between them; small ones enlarged by a whole factor.
Tensor plain_grid(const std::vector<Tensor>& pictures, int64_t columns = 0);

}  // namespace hadal
