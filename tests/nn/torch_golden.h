// PyTorch's modules in tests/golden/nn.safetensors: weights, masks, outputs and gradients.
#pragma once
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/nn/transformer.h"

#include "tests/support/support.h"

namespace hadal::test {

inline const NamedTensors& torch_modules() {
  static const auto file = read_safetensors(golden("nn.safetensors"));
  return file;
}

/// "cases": what each case is of; "order": the names of each module's weights.
inline const nlohmann::json& torch_facts(const std::string& key) {
  static const auto read = [](const char* name) { return nlohmann::json::parse(torch_modules().metadata.at(name)); };
  static const auto cases = read("cases"), order = read("order");
  return key == "cases" ? cases : order;
}

inline std::vector<std::string> cases_of(const std::string& beginning) {
  std::vector<std::string> names;
  for (const auto& [name, about] : torch_facts("cases").items())
    if (about["of"].get<std::string>().starts_with(beginning)) names.push_back(name);
  return names;
}

/// One case: a module of PyTorch with its weights, inputs under a mask, and what came out.
class TorchCase {
 public:
  explicit TorchCase(std::string name) : name_(std::move(name)), about(torch_facts("cases").at(name_)) {}

  Tensor operator[](const std::string& key) const {
    const auto* found = torch_modules().find(name_ + "/" + key);
    return found ? *found : Tensor();
  }
  Tensor input(const std::string& key) const { return (*this)["input/" + key].clone().requires_grad_(); }
  /// Their attn_mask (true: not seen, or added) and key_padding_mask as one mask of ours.
  Tensor mask(const std::string& prefix = "") const {
    const auto ours = [](const Tensor& mask) {
      return mask.defined() && mask.scalar_type() == torch::kBool ? mask.logical_not() : mask;
    };
    auto padding = ours((*this)["mask/" + prefix + "padding"]);
    if (padding.defined()) padding = padding.unsqueeze(1).unsqueeze(1);
    return both_masks(ours((*this)["mask/" + prefix + "attn"]), padding);
  }

  /// Puts the weights into `module` under the names that torch_transformer_names gives them.
  void load(nn::Module& module) const {
    const torch::NoGradGuard no_grad;
    const auto ours = named(weights());
    EXPECT_EQ(ours.size(), module.named_parameters().size());
    for (auto& parameter : module.named_parameters()) {
      const auto found = ours.find(parameter.key());
      ASSERT_NE(found, ours.end()) << parameter.key();
      parameter.value().copy_(found->second);
    }
  }
  /// Goes back from the weighted sum of `out` and compares everything.
  void expect(const nn::Module& module, const Tensor& out, const std::map<std::string, Tensor>& inputs) const {
    EXPECT_LT(relative_error(out, (*this)["out"]), 1e-4) << name_;
    (out * (*this)["weigh"]).sum().backward();
    for (const auto& [key, tensor] : inputs)
      EXPECT_LT(relative_error(tensor.grad(), (*this)["input_gradient/" + key]), 1e-4) << name_ << " " << key;
    TensorsByName gradients;
    const auto flat = (*this)["gradients"];
    int64_t at = 0;
    for (const auto& [key, tensor] : weights()) {
      gradients.emplace_back(key, flat.slice(0, at, at + tensor.numel()).view(tensor.sizes()));
      at += tensor.numel();
    }
    const auto expected = named(gradients);
    const auto largest = flat.abs().max().item<double>();
    for (const auto& parameter : module.named_parameters()) {
      const auto far = (parameter.value().grad() - expected.at(parameter.key())).abs().max().item<double>();
      EXPECT_LT(far, 1e-4 * largest) << name_ << " " << parameter.key();
    }
  }

 private:
  TensorsByName weights() const {
    TensorsByName out;
    const auto of = about["of"].get<std::string>();
    for (const auto& item : torch_facts("order").at(of)) {
      const auto name = item.get<std::string>();
      out.emplace_back(name, torch_modules().at(of + "/weights/" + name));
    }
    return out;
  }
  static std::map<std::string, Tensor> named(const TensorsByName& theirs) {
    const auto ours = torch_transformer_names(theirs);
    return {ours.begin(), ours.end()};
  }

  std::string name_;

 public:
  nlohmann::json about;
};

}  // namespace hadal::test
