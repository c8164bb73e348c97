#include <cmath>

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"
#include "hadal/models/text/language_model.h"
#include "hadal/tasks/text/text_inputs.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

/// What is wrong with weights of `config` (JSON) for the model `name` with these settings.
void check(const std::string& config, const std::string& name, Table settings = {}) {
  const test::TemporaryFolder folder;
  write_file(folder / "config.json", config);
  settings.set("vocabulary", 11), settings.set("depth", 1);
  auto about = about_beside(folder / "model.safetensors");
  ASSERT_TRUE(about);
  language_models().make({name, settings})->compare(*about);
  about->finish();
}

const std::string kLlama =
    R"({"model_type": "llama", "num_attention_heads": 8, "num_key_value_heads": 2, "rms_norm_eps": 1e-05,
        "hidden_act": "silu", "rope_theta": 500000.0, "rope_scaling": null, "hidden_size": 64})";

TEST(About, HeadsEpsilonsAndRotaryBasesAreHeldAgainstTheModels) {
  const Table small = {{"dim", 64}, {"heads", 8}, {"kv_heads", 2}, {"mlp", 96}};
  auto right = small;
  right.set_path("rotary.base", 500000.0);
  check(kLlama, "llama", right);
  EXPECT_ERROR(check(kLlama, "llama", small),
               "config.json: the weights beside it are of another model: rope_theta is 500000 and not 10000: "
               "model.rotary.base=500000");
  right.set("heads", 4), right.set("norm_eps", 1e-6);
  EXPECT_ERROR(check(kLlama, "llama", right),
               "num_attention_heads is 8 and not 4: model.heads=8; rms_norm_eps is 1e-05 and not 1e-06: "
               "model.norm_eps=1e-05");
}

TEST(About, NumbersCompareAsFloats) {
  check(R"({"model_type": "llama", "rms_norm_eps": 9.999999747378752e-06})", "llama");
  check(R"({"model_type": "gpt2", "layer_norm_epsilon": 9.999999747378752e-06})", "gpt2");
  EXPECT_ERROR(check(R"({"model_type": "llama", "rms_norm_eps": 1.00001e-05})", "llama"), "model.norm_eps=1.00001e-05");
  EXPECT_TRUE(same_as_floats(double{0.1f}, 0.1));
  EXPECT_TRUE(same_as_floats(1e300, 1e300));
  EXPECT_FALSE(same_as_floats(1e300, 2e300)) << "both beyond what a float holds";
  EXPECT_FALSE(same_as_floats(1e300, 1));
  EXPECT_FALSE(same_as_floats(50257, 50258));
  EXPECT_FALSE(same_as_floats(NAN, NAN));
}

TEST(About, KnowsTheTableOfTransformersFive) {
  const auto with = [](const std::string& rope) {
    return R"({"model_type": "llama", "rms_norm_eps": 1e-5, "rope_parameters": )" + rope + "}";
  };
  check(with(R"({"rope_theta": 10000.0, "rope_type": "default"})"), "llama");
  EXPECT_ERROR(check(with(R"({"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0})"), "llama"),
               "rope_parameters/rope_theta is 500000 and not 10000: model.rotary.base=500000; "
               "rope_parameters/rope_type is llama3, which is no scaling here");
  EXPECT_ERROR(check(with(R"({"rope_type": "default"}, "rope_theta": 500.0)"), "llama"), "model.rotary.base=500");
  EXPECT_ERROR(check(with(R"({"rope_type": "linear", "factor": 8.0})"), "llama"), "model.rotary.scaling=linear");
  Table stretched;
  stretched.set_path("rotary.scaling", "linear"), stretched.set_path("rotary.factor", 4.0);
  check(with(R"({"rope_theta": 1e4, "rope_type": "linear", "factor": 4.0})"), "llama", stretched);
  const std::string old = R"({"model_type": "llama", "rms_norm_eps": 1e-5, "rope_scaling": )";
  check(old + R"({"type": "linear", "factor": 4.0}})", "llama", stretched);
  check(old + "null}", "llama", stretched);  // for longer texts
}

TEST(About, ModelsThatOnlyLookAlikeAreRefused) {
  EXPECT_ERROR(check(R"({"model_type": "gemma"})", "llama"),
               "model_type is gemma; this model reads gpt2, llama, mistral");
  EXPECT_ERROR(check(R"({"model_type": "roberta"})", "bert"), "model_type is roberta; this model reads bert");
  EXPECT_ERROR(check(R"({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": true})", "gpt2"),
               "scale_attn_by_inverse_layer_idx is true");
  EXPECT_ERROR(check(R"({"model_type": "gpt2", "n_head": "twelve"})", "gpt2"), "n_head is no number");
  EXPECT_ERROR(check(R"({"model_type": "mistral", "sliding_window": 16})", "llama"),
               "sliding_window is 16 and not 0: model.window=16");
  check(R"({"model_type": "mistral", "sliding_window": 4096, "rms_norm_eps": 1e-5})",
        "llama");  // more than its context
  EXPECT_ERROR(check(R"({"model_type": "mistral", "sliding_window": 32})", "llama", {{"window", 16}}),
               "model.window=32");
  EXPECT_ERROR(check(R"({"model_type": "gpt2", "scale_attn_weights": false})", "gpt2"), "scale_attn_weights is false");
  EXPECT_ERROR(check(R"({"model_type": "bert", "is_decoder": true})", "bert"), "is_decoder is true");
  EXPECT_ERROR(check(R"({"model_type": "llama"})", "llama", {{"norm", "layer"}, {"positions", "alibi"}}),
               "rms_norm_eps is 1e-06 and not 1e-05: model.norm_eps=1e-06; a llama has model.norm=rms; a llama has "
               "model.positions=rotary");
  EXPECT_ERROR(check(R"({"model_type": "llama", "tie_word_embeddings": false})", "llama"), "model.tied=false");
  EXPECT_ERROR(check(R"({"model_type": "gpt2", "vocab_size": 12})", "gpt2"), "model.vocabulary=12");
  check(R"({"model_type": "gpt2", "activation_function": "gelu_new", "n_head": 12})", "gpt2");
}

TEST(About, ActivationsGoByTheirNamesHere) {
  const auto act = [](const std::string& name) {
    return R"({"model_type": "llama", "rms_norm_eps": 1e-5, "hidden_act": ")" + name + "\"}";
  };
  check(act("gelu"), "llama", {{"activation", "geglu"}});
  check(R"({"model_type": "gpt2", "activation_function": "gelu_python"})", "gpt2", {{"activation", "gelu"}});
  EXPECT_ERROR(check(act("gelu"), "llama"), "hidden_act is gelu: model.activation=geglu");
  EXPECT_ERROR(check(act("relu"), "llama"), "hidden_act is relu, which is none of the activations here");
  EXPECT_ERROR(check(R"({"model_type": "gpt2", "activation_function": "silu"})", "gpt2"), "model.activation=silu");
}

TEST(About, ClassesHaveNames) {
  const test::TemporaryFolder folder;
  write_safetensors(folder / "model.safetensors", {.entries = {{"a", torch::zeros({1})}}});
  const auto with = [&](const std::string& labels) {
    write_file(folder / "config.json", R"({"model_type": "bert", "id2label": )" + labels + "}");
    return classes_of(folder / "model.safetensors");
  };
  EXPECT_EQ(with(R"({"0": "sports", "1": "art"})"), (std::vector<std::string>{"sports", "art"}));
  EXPECT_TRUE(with(R"({"0": "LABEL_0", "1": "LABEL_1"})").empty());
  EXPECT_TRUE(with(R"({"0": "sports", "2": "art"})").empty());
  write_safetensors(folder / "model.safetensors", {{{"a", torch::zeros({1})}}, {{"classes", R"(["x","y"])"}}});
  EXPECT_EQ(with("{}"), (std::vector<std::string>{"x", "y"}));
}

TEST(OwnSettings, AreThoseThatTheWeightsWereTrainedWith) {
  NamedTensors weights{{}, {{"config", "[model]\nheads = 4\nwindow = 8\ndropout = 0.1\n"}}, "w.safetensors"};
  check_own_settings(weights, {"gpt", {{"heads", 4}, {"window", 8}, {"dropout", 0.5}}}, false);
  check_own_settings(weights, {"gpt", {{"heads", 4}, {"window", 16}}}, true);
  EXPECT_ERROR(check_own_settings(weights, {"gpt", {{"heads", 8}, {"window", 16}}}, false),
               "w.safetensors was trained with model.heads=4 model.window=8, which its shapes do not show");
}

TEST(About, OtherFilesSayNothing) {
  const test::TemporaryFolder folder;
  EXPECT_FALSE(about_beside(folder / "w.safetensors"));
  write_file(folder / "config.json", R"({"name": "mine"})");
  EXPECT_FALSE(about_beside(folder / "w.safetensors"));
  EXPECT_FALSE(about_beside(folder.path()));
  write_file(folder / "config.json", "{");
  EXPECT_ERROR(about_beside(folder / "w.safetensors"), "config.json");
}

}  // namespace
}  // namespace hadal
