#include "hadal/io/file.h"
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

TEST(About, KnowsTheTableOfTransformersFive) {
  const auto with = [](const std::string& rope) {
    return R"({"model_type": "llama", "rope_parameters": )" + rope + "}";
  };
  check(with(R"({"rope_theta": 10000.0, "rope_type": "default"})"), "llama");
  EXPECT_ERROR(check(with(R"({"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0})"), "llama"),
               "rope_parameters/rope_theta is 500000 and not 10000: model.rotary.base=500000; "
               "rope_parameters/rope_type is llama3, and model.rotary.scaling=none wants default; "
               "rope_parameters/factor is 8 and not 1: model.rotary.factor=8");
  Table stretched;
  stretched.set_path("rotary.scaling", "linear"), stretched.set_path("rotary.factor", 4.0);
  check(with(R"({"rope_theta": 1e4, "rope_type": "linear", "factor": 4.0})"), "llama", stretched);
  check(R"({"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4.0}})", "llama", stretched);
}

TEST(About, ModelsThatOnlyLookAlikeAreRefused) {
  EXPECT_ERROR(check(R"({"model_type": "gemma"})", "llama"),
               "model_type is gemma; this model reads gpt2, llama, mistral");
  EXPECT_ERROR(check(R"({"model_type": "roberta"})", "bert"), "model_type is roberta; this model reads bert");
  EXPECT_ERROR(check(R"({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": true})", "gpt2"),
               "scale_attn_by_inverse_layer_idx is set");
  EXPECT_ERROR(check(R"({"model_type": "gpt2", "n_head": "twelve"})", "gpt2"), "n_head is no number");
  EXPECT_ERROR(check(R"({"model_type": "mistral", "sliding_window": 16})", "llama"),
               "sliding_window is 16 and not 0: model.window=16");
  check(R"({"model_type": "mistral", "sliding_window": 4096})", "llama");  // more than its context
  check(R"({"model_type": "gpt2", "activation_function": "gelu_new", "n_head": 12})", "gpt2");
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
