// Translators and text classifiers beside the same nets in PyTorch: tests/golden/areas/translation.py.
#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"
#include "hadal/io/weights.h"
#include "hadal/models/text/embedder.h"
#include "hadal/models/text/text_classifier.h"
#include "hadal/models/text/transformer.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

constexpr double kTolerance = 1e-5;

const NamedTensors& golden_file() {
  static const auto file = read_safetensors(test::golden("translation.safetensors"));
  return file;
}

/// PyTorch's tensors below `beginning` under our names.
TensorsByName ours(const std::string& beginning) {
  TensorsByName inner, out;
  const std::string_view inside = beginning.starts_with("text_encoder") ? "encoder." : "transformer.";
  for (const auto& [name, tensor] : golden_file().entries) {
    if (!name.starts_with(beginning)) continue;
    const auto rest = name.substr(beginning.size());
    rest.starts_with(inside) ? inner.emplace_back(rest.substr(inside.size()), tensor) : out.emplace_back(rest, tensor);
  }
  for (const auto& [name, tensor] : torch_transformer_names(inner))
    out.emplace_back(std::string(inside) + name, tensor);
  return out;
}

void expect_gradients(const nn::Module& model, const std::string& name) {
  const auto parameters = model.named_parameters();
  const auto gradients = ours(name + "/gradients/");
  EXPECT_EQ(gradients.size(), parameters.size());
  for (const auto& [key, gradient] : gradients)
    EXPECT_LT((parameters[key].grad() - gradient).abs().max().item<double>(), kTolerance) << key;
}

}  // namespace

TEST(Translation, EqualsPyTorchs) {
  for (const std::string name : {"paper", "pre_norm", "untied"}) {
    SCOPED_TRACE(name);
    TransformerConfig config{
        .vocabulary = 17, .dim = 8, .heads = 2, .mlp = 12, .encoder_layers = 2, .decoder_layers = 2};
    config.dropout = 0;
    config.norm_first = name != "paper";
    config.tied = name != "untied";
    Transformer model(config);
    load_weights(*model, NamedTensors{ours(name + "/weights/"), {}, name});
    const auto& golden = golden_file();
    const auto logits = model->logits(model->forward(golden.at("source"), golden.at("lengths"), golden.at("target")));
    EXPECT_LT(test::relative_error(logits, golden.at(name + "/logits")), kTolerance);
    const auto loss = at::cross_entropy_loss(logits.flatten(0, 1), golden.at("answers").flatten(), {},
                                             at::Reduction::Mean, -100, 0.1);
    EXPECT_NEAR(loss.item<double>(), golden.at(name + "/loss").item<double>(), kTolerance);
    loss.backward();
    expect_gradients(*model, name);
  }
}

TEST(TextEncoder, EqualsPyTorchs) {
  const std::string name = "text_encoder";
  TextEncoder model(TextEncoderConfig{
      .vocabulary = 17, .classes = 3, .context = 9, .dim = 8, .heads = 2, .mlp = 12, .depth = 2, .dropout = 0});
  load_weights(*model, NamedTensors{ours(name + "/weights/"), {}, name});
  const auto& golden = golden_file();
  const auto logits = model->forward(golden.at("source"), golden.at("lengths"));
  EXPECT_LT(test::relative_error(logits, golden.at(name + "/logits")), kTolerance);
  at::cross_entropy_loss(logits, golden.at("labels")).backward();
  expect_gradients(*model, name);
  EXPECT_ERROR(model->forward(torch::zeros({1, 10}, torch::kInt64), torch::tensor({10})),
               "a text of 10 tokens; the model reads 9 (model.context)");
  EXPECT_ERROR(model->forward(torch::full({1, 2}, 17), torch::tensor({2})), "[text encoder] there is no token 17");
}

TEST(Translation, PresetsAreAsLargeAsPyTorchs) {
  const auto known = nlohmann::json::parse(read_file(test::golden("translation.json")));
  const auto count = [](const nn::Module& model) {
    int64_t sum = 0;
    for (const auto& parameter : model.parameters()) sum += parameter.numel();
    return sum;
  };
  for (const auto& item : translators().items())
    EXPECT_EQ(count(*translators().make({item.name, {}})), known.at(item.name)["parameters"]) << item.name;
  for (const auto& item : text_embedders().items())
    EXPECT_EQ(count(*text_embedders().make({item.name, {}})), known.at(item.name)["parameters"]) << item.name;
  for (const auto& item : text_classifiers().items())
    EXPECT_EQ(count(*text_classifiers().make({item.name, {}})), known.at(item.name)["parameters"]) << item.name;
}
