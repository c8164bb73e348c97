// Language models against transformers' with the same weights; every preset's names, shapes and parameter count.
#include <fstream>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/models/text/bert.h"
#include "hadal/models/text/causal_lm.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;
using Json = nlohmann::json;

namespace {

constexpr double kTolerance = 1e-4;

const NamedTensors& reference() {
  static const auto file = read_safetensors(golden("language.safetensors"));
  return file;
}

using Naming = TensorsByName (*)(const TensorsByName&);
TensorsByName untied_names(const TensorsByName& weights) { return causal_lm_names(weights, false); }
TensorsByName tied_names(const TensorsByName& weights) { return causal_lm_names(weights, true); }

/// A case's model with the hash's weights, and afterwards its gradients beside the reference's.
class Given {
 public:
  explicit Given(const std::string& name) : name_(name), about_(Json::parse(reference().metadata.at(name))) {}

  Tensor operator[](const std::string& key) const {
    const auto* found = reference().find(name_ + "/" + key);
    return found ? *found : Tensor();
  }
  Part part() const { return {about_["of"], parse_toml(about_["settings"].get<std::string>(), "golden")}; }
  BertInput bert_input() const { return {(*this)["input_ids"], (*this)["token_type_ids"], (*this)["attention_mask"]}; }

  void load(nn::Module& module, Naming naming) const {
    const torch::NoGradGuard no_grad;
    TensorsByName theirs;
    each([&](const std::string& name, at::IntArrayRef shape) { theirs.emplace_back(name, weight(name, shape)); });
    const auto ours = naming(theirs);
    const std::map<std::string, Tensor> found(ours.begin(), ours.end());
    EXPECT_EQ(found.size(), module.named_parameters().size());
    for (auto& parameter : module.named_parameters()) {
      ASSERT_TRUE(found.contains(parameter.key())) << parameter.key();
      parameter.value().copy_(found.at(parameter.key()));
    }
  }
  void expect(const nn::Module& module, const Tensor& logits, Naming naming) const {
    EXPECT_LT(relative_error(logits, (*this)["logits"]), kTolerance);
    (logits * uniform("target", logits.sizes())).sum().backward();
    const auto flat = (*this)["gradients"];
    int64_t at = 0;
    TensorsByName theirs;
    each([&](const std::string& name, at::IntArrayRef shape) {
      const auto count = c10::multiply_integers(shape);
      theirs.emplace_back(name, flat.slice(0, at, at + count).view(shape));
      at += count;
    });
    EXPECT_EQ(at, flat.size(0));
    const auto ours = naming(theirs);
    const std::map<std::string, Tensor> expected(ours.begin(), ours.end());
    const auto largest = flat.abs().max().item<double>();
    for (const auto& parameter : module.named_parameters()) {
      const auto& wanted = expected.at(parameter.key());
      const auto far = (parameter.value().grad() - wanted).abs().max().item<double>();
      EXPECT_LT(far, kTolerance * wanted.abs().max().item<double>() + 1e-6 * largest) << parameter.key();
    }
  }

 private:
  template <class Take>
  void each(const Take& take) const {
    for (const auto& entry : about_["weights"]) take(entry[0].get<std::string>(), entry[1].get<std::vector<int64_t>>());
  }

  std::string name_;
  Json about_;
};

}  // namespace

TEST(TextGolden, CausalModelsAreTransformers) {
  for (const std::string name : {"gpt2", "llama", "llama3", "qwen2"}) {
    const Given given(name);
    const auto model = language_models().make(given.part());
    const auto naming = name == "llama" ? untied_names : tied_names;
    given.load(*model, naming);
    given.expect(*model, model->forward(given["input_ids"]), naming);
  }
}

TEST(TextGolden, BertIsTransformers) {
  const Given words("bert_words"), classes("bert_classes");
  const auto model = language_models().make(words.part());
  words.load(*model, bert_word_names);
  words.expect(*model, dynamic_cast<BertForWordsImpl&>(*model).words(words.bert_input()), bert_word_names);

  BertForClasses classifier(
      BertConfig{.vocabulary = 13, .context = 10, .dim = 16, .depth = 2, .heads = 4, .mlp = 24, .dropout = 0}, 3);
  classes.load(*classifier, bert_class_names);
  classes.expect(*classifier, classifier(classes.bert_input()), bert_class_names);
}

TEST(TextGolden, EveryPresetHasTheNamesShapesAndSizeOfItsReference) {
  std::ifstream file(golden("language.json"));
  const auto known = Json::parse(file);
  const WithoutInit shapes_only;
  const auto count = [](const nn::Module& module) {
    int64_t sum = 0;
    for (const auto& parameter : module.parameters()) sum += parameter.numel();
    return sum;
  };
  for (const auto& item : language_models().items()) {
    ASSERT_TRUE(known.contains(item.name)) << item.name << " is registered without a golden entry; "
                                           << "add it to presets() in tests/golden/areas/language.py";
    const auto& entry = known[item.name];
    const auto one = language_models().make({item.name, {{"depth", 1}}}),
               none = language_models().make({item.name, {{"depth", 0}}});
    const auto layer = count(*one) - count(*none);
    const auto depth = *item.schema.defaults().find("depth")->get_if<int64_t>();
    EXPECT_EQ(count(*none) + depth * layer, entry["parameters"].get<int64_t>()) << item.name;
    TensorsByName theirs;
    for (const auto& weight : entry["weights"])
      theirs.emplace_back(weight[0], torch::empty(weight[1].get<std::vector<int64_t>>()));
    std::set<std::string> ours, expected;
    const auto line = [](const std::string& name, const Tensor& tensor) {
      return fmt::format("{} ({})", name, fmt::join(tensor.sizes(), ", "));
    };
    for (const auto& [name, tensor] : one->own_names(theirs)) expected.insert(line(name, tensor));
    for (const auto& parameter : one->named_parameters()) ours.insert(line(parameter.key(), parameter.value()));
    EXPECT_EQ(ours, expected) << item.name;
  }
}
