// Recipes and data small enough to be trained in a second.
#pragma once
#include <fmt/format.h>

#include "hadal/core/random.h"

#include "tests/support/program.h"

namespace hadal::test {

inline const std::string kShapes = "kind = \"shapes\"\nsize = 16\ntrain = 64\nval = 16\ntest = 16\nclasses = 2\n";

/// A recipe for a small perceptron; `data` and `train` are lines of their sections.
inline std::string recipe(const std::string& data = kShapes, const std::string& train = "",
                          const std::string& model = "name = \"mlp\"\nhidden = [16]\n") {
  return fmt::format(
      "about = \"tiny\"\ntask = \"classify\"\n[model]\n{}[data]\n{}[train]\nepochs = 2\nbatch = 8\nthreads = 1\n"
      "workers = 1\nprecision = \"fp32\"\n{}",
      model, data, train);
}

/// A grey picture (side, side, 1) of noise, bright on the left (0), on the right (1) or at the top (2).
inline Tensor picture(int64_t label, int64_t index, int64_t side = 12) {
  Random random(7, {static_cast<uint64_t>(label), static_cast<uint64_t>(index)});
  auto image = torch::empty({side, side, 1}, torch::kUInt8);
  auto* pixels = image.mutable_data_ptr<uint8_t>();
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x) {
      const bool bright = label == 0 ? x < side / 2 : label == 1 ? x >= side / 2 : y < side / 2;
      pixels[y * side + x] = static_cast<uint8_t>(random.below(120) + (bright ? 100 : 0));
    }
  return image;
}

/// MNIST's pair of files for one part ("train", "t10k"), `count` pictures of three classes.
inline void write_idx(const std::filesystem::path& folder, const std::string& part, int64_t count, int64_t labels) {
  const auto number = [](int64_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  constexpr int64_t kSide = 12;
  auto pictures = std::string("\0\0\x08\x03", 4) + number(count) + number(kSide) + number(kSide);
  auto answers = std::string("\0\0\x08\x01", 4) + number(labels);
  for (int64_t i = 0; i < count; ++i) {
    const auto image = picture(i % 3, i + (part == "train" ? 0 : 10000), kSide);
    pictures.append(reinterpret_cast<const char*>(image.const_data_ptr<uint8_t>()), kSide * kSide);
  }
  for (int64_t i = 0; i < labels; ++i) answers += static_cast<char>(i % 3);
  write_file(folder / (part + "-images-idx3-ubyte"), pictures);
  write_file(folder / (part + "-labels-idx1-ubyte"), answers);
}

}  // namespace hadal::test
