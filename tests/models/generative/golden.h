// What tests of generative models share: weights and inputs from hashes, and gradients against golden tables.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

namespace hadal::test {

using Json = nlohmann::json;

/// A golden file of tests/golden/areas/generative.py, computed in doubles.
class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name) : file_(read_safetensors(golden(name + ".safetensors"))) {}
  const Tensor& operator[](const std::string& name) const { return file_.at(name); }
  Json about(const std::string& name) const { return Json::parse(file_.metadata.at(name)); }

  /// Norm and probe of every gradient that the table has, and no gradient where it has none.
  void expect_gradients(const std::string& name, const nn::Module& module, const TensorsByName& inputs,
                        double tolerance) const {
    const auto& table = file_.at(name);
    const auto names = about(name).get<std::vector<std::string>>();
    const auto largest = table.select(1, 0).max().item<double>();
    auto of = inputs;
    for (const auto& item : module.named_parameters()) of.emplace_back(item.key(), item.value());
    size_t found = 0;
    for (const auto& [key, tensor] : of) {
      const auto row = std::find(names.begin(), names.end(), key) - names.begin();
      const auto gradient = tensor.grad().defined() ? tensor.grad().to(torch::kFloat64) : torch::zeros_like(tensor);
      if (row == static_cast<int64_t>(names.size())) {
        EXPECT_EQ(gradient.abs().max().item<double>(), 0) << name << ": " << key << " has a gradient";
        continue;
      }
      ++found;
      const auto norm = table[row][0].item<double>(), allowed = tolerance * (norm + 0.01 * largest);
      EXPECT_NEAR(gradient.norm().item<double>(), norm, allowed) << name << ": " << key;
      EXPECT_NEAR((gradient * uniform(key + "/probe", gradient.sizes())).sum().item<double>(),
                  table[row][1].item<double>(), allowed)
          << name << ": " << key;
    }
    EXPECT_EQ(found, names.size()) << name;
  }

 private:
  NamedTensors file_;
};

/// Every parameter and buffer from the hash of its name.
inline void fill_from_hash(nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : tensors_of(module))
    if (!name.ends_with("num_batches_tracked")) tensor.copy_(weight(name, tensor.sizes()));
}

/// As the script's noise(): uniform with variance 1.
inline Tensor noise(const std::string& name, const std::vector<int64_t>& shape, torch::Dtype type) {
  return uniform(name, shape, std::sqrt(3.0)).to(type);
}

inline void forget_gradients(nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.mutable_grad() = Tensor();
}

}  // namespace hadal::test
