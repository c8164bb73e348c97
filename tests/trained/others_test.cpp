// What other programs say of their weights, as recipes: published folders of Hugging Face's.
#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"
#include "hadal/io/weights.h"
#include "hadal/models/generative/dcgan.h"
#include "hadal/models/generative/vae_nets.h"
#include "hadal/models/text/bert.h"
#include "hadal/models/text/causal_lm.h"
#include "hadal/models/vision/vit.h"
#include "hadal/trained/huggingface.h"
#include "hadal/trained/making/gan_maker.h"
#include "hadal/trained/open.h"

#include "tests/support/support.h"

using namespace hadal;
using Json = nlohmann::json;

namespace {

using Settings = Part (*)(const Json& config, const std::string& name);

Part read(Settings settings, const std::string& config) { return settings(Json::parse(config), "config.json"); }

double number(const Table& settings, const std::string& path) {
  const auto* value = settings.find_path(path);
  if (!value) throw Error("no " + path);
  return read_number(*value, path, {});
}
std::string text(const Table& settings, const std::string& path) {
  const auto* value = settings.find_path(path);
  return value ? read_text(*value, path, {}) : "";
}

const std::string kLlama =
    R"({"model_type": "llama", "num_attention_heads": 8, "num_key_value_heads": 2, "rms_norm_eps": 1e-05,
        "hidden_act": "silu", "rope_theta": 500000.0, "rope_scaling": null, "hidden_size": 64})";

/// A folder with a config.json and weights, and what else a test puts there.
class Published {
 public:
  explicit Published(const std::string& config) {
    write_file(folder_ / "config.json", config);
    write_safetensors(folder_ / "model.safetensors", {{{"a", torch::zeros({1})}}, {}, ""});
  }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  std::string path() const { return folder_.path().string(); }
  Table recipe() const { return recipe_of(read_passport(folder_.path())); }

 private:
  test::TemporaryFolder folder_;
};

std::string bert(const std::string& architecture, const std::string& more = "") {
  return R"({"model_type": "bert", "num_attention_heads": 3, "architectures": [")" + architecture + "\"]" + more + "}";
}

}  // namespace

TEST(Others, ALlamasConfigGivesItsSettings) {
  const auto part = read(llama_settings, kLlama);
  EXPECT_EQ(part.name, "llama");
  const auto& s = part.settings;
  EXPECT_EQ(number(s, "heads"), 8);
  EXPECT_EQ(number(s, "kv_heads"), 2);
  EXPECT_EQ(number(s, "norm_eps"), 1e-5);
  EXPECT_EQ(number(s, "rotary.base"), 500000);
  EXPECT_EQ(text(s, "activation"), "swiglu");
  EXPECT_EQ(text(s, "attention_bias"), "none");
  // What it does not say is what transformers takes.
  EXPECT_EQ(number(s, "dim"), 64);
  EXPECT_EQ(number(s, "mlp"), 11008);
  EXPECT_EQ(number(s, "context"), 2048);
  const auto bare = read(llama_settings, R"({"model_type": "llama"})").settings;
  EXPECT_EQ(number(bare, "norm_eps"), 1e-6);
  EXPECT_EQ(number(bare, "rotary.base"), 10000);
  EXPECT_EQ(number(bare, "kv_heads"), 0);
  const auto biased =
      read(llama_settings, R"({"model_type": "llama", "attention_bias": true, "mlp_bias": true})").settings;
  EXPECT_EQ(text(biased, "attention_bias"), "all");
  EXPECT_TRUE(read_flag(*biased.find("mlp_bias"), ""));
  EXPECT_EQ(text(read(llama_settings, R"({"model_type": "qwen2"})").settings, "attention_bias"), "qkv");
}

TEST(Others, RotaryPositionsAreReadFromTheTablesOfAllTimes) {
  const auto with = [](const std::string& rope) {
    return read(llama_settings, R"({"model_type": "llama", )" + rope + "}").settings;
  };
  EXPECT_EQ(number(with(R"("rope_parameters": {"rope_theta": 5e5, "rope_type": "default"})"), "rotary.base"), 5e5);
  EXPECT_EQ(number(with(R"("rope_parameters": {"rope_type": "default"}, "rope_theta": 500.0)"), "rotary.base"), 500);
  for (const auto* key : {R"("rope_scaling": {"type": "linear", "factor": 4.0})",
                          R"("rope_parameters": {"rope_theta": 1e4, "rope_type": "linear", "factor": 4})"}) {
    EXPECT_EQ(text(with(key), "rotary.scaling"), "linear");
    EXPECT_EQ(number(with(key), "rotary.factor"), 4);
  }
  const auto llama3 = with(R"("rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 32.0,
    "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})");
  EXPECT_EQ(text(llama3, "rotary.scaling"), "llama3");
  EXPECT_EQ(number(llama3, "rotary.base"), 5e5);
  EXPECT_EQ(number(llama3, "rotary.factor"), 32);
  EXPECT_EQ(number(llama3, "rotary.high"), 4);
  EXPECT_EQ(number(llama3, "rotary.original"), 8192);
  // It grows with a text beyond the context; within, nothing is scaled.
  EXPECT_EQ(text(with(R"("rope_scaling": {"type": "dynamic", "factor": 4.0})"), "rotary.scaling"), "");
  EXPECT_ERROR(with(R"("rope_scaling": {"rope_type": "yarn", "factor": 4.0})"),
               "config.json: Hadal cannot be this llama: rope_scaling/rope_type is yarn, which is no scaling here");
  EXPECT_ERROR(with(R"("rope_scaling": {"rope_type": "llama3", "factor": 4.0})"),
               "rope_scaling/low_freq_factor is not there");
  EXPECT_ERROR(with(R"("partial_rotary_factor": 0.5)"), "only a part of each head turns");
}

TEST(Others, GptTwosConfigGivesItsSettings) {
  const auto s = read(gpt2_settings, R"({"model_type": "gpt2", "n_embd": 48, "layer_norm_epsilon": 1e-6,
    "activation_function": "gelu_new", "n_inner": null})")
                     .settings;
  EXPECT_EQ(number(s, "mlp"), 192);
  EXPECT_EQ(number(s, "heads"), 12);
  EXPECT_EQ(number(s, "norm_eps"), 1e-6);
  EXPECT_EQ(text(s, "activation"), "gelu_tanh");
  EXPECT_TRUE(read_flag(*s.find("tied"), ""));
  EXPECT_EQ(number(read(gpt2_settings, R"({"model_type": "gpt2"})").settings, "norm_eps"), 1e-5);
}

TEST(Others, SlidingWindowsAreMistralsAndQwens) {
  const auto window = [](const std::string& config) { return number(read(llama_settings, config).settings, "window"); };
  EXPECT_EQ(window(R"({"model_type": "mistral", "sliding_window": 16})"), 16);
  EXPECT_EQ(window(R"({"model_type": "mistral"})"), 4096);
  EXPECT_EQ(window(R"({"model_type": "mistral", "sliding_window": null})"), 0);
  EXPECT_EQ(window(R"({"model_type": "mistral", "max_position_embeddings": 64})"), 0) << "more than its context";
  EXPECT_EQ(window(R"({"model_type": "qwen2", "sliding_window": 16})"), 0) << "it is not used";
  EXPECT_EQ(window(R"({"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 16,
    "max_window_layers": 0})"),
            16);
  EXPECT_EQ(window(R"({"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 16,
    "max_window_layers": 32})"),
            0);
  EXPECT_ERROR(window(R"({"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 28})"),
               "sliding_window in 4 of 32 layers; here all have one or none");
  EXPECT_ERROR(window(R"({"model_type": "llama", "sliding_window": 16})"), "sliding_window, which a Llama has not");
}

TEST(Others, WhatHadalCannotBeIsRefusedByName) {
  EXPECT_ERROR(Published(R"({"model_type": "mixtral", "num_local_experts": 8})").recipe(),
               "config.json: the weights beside it are of a mixtral; Hadal reads gpt2, llama, mistral, qwen2, bert, "
               "vit, vitpose, d_fine");
  EXPECT_ERROR(read(gpt2_settings, R"({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": true,
    "scale_attn_weights": false, "n_head": "twelve"})"),
               "n_head is no number; scale_attn_by_inverse_layer_idx is true; scale_attn_weights is false");
  EXPECT_ERROR(read(gpt2_settings, R"({"model_type": "gpt2", "n_head": 1.5})"), "n_head is 1.5 and no whole number");
  EXPECT_ERROR(read(gpt2_settings, R"({"model_type": "gpt2", "n_embd": 1e300})"), "and no whole number");
  EXPECT_ERROR(read(llama_settings, R"({"model_type": "llama", "hidden_act": "relu"})"),
               "hidden_act is relu, which is none of the gated activations here");
  EXPECT_ERROR(read(gpt2_settings, R"({"model_type": "gpt2", "activation_function": "mish"})"), "is mish");
  EXPECT_EQ(text(read(llama_settings, R"({"model_type": "llama", "hidden_act": "gelu"})").settings, "activation"),
            "geglu");
  EXPECT_ERROR(read(llama_settings, R"({"model_type": "llama", "head_dim": 256})"), "head_dim is 256, and 32 heads");
  EXPECT_ERROR(read(llama_settings, R"({"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]})"),
               "architectures is LlamaForSequenceClassification; of this kind Hadal reads LlamaForCausalLM");
  EXPECT_ERROR(read(llama_settings, R"({"model_type": "llama", "architectures": ["LlamaModel"]})"),
               "LlamaModel has no head to write with");
  EXPECT_ERROR(read(llama_settings, R"({"model_type": "llama", "quantization_config": {"quant_method": "gptq"}})"),
               "the weights are quantised (gptq)");
  EXPECT_ERROR(
      read(bert_settings, bert("BertForMaskedLM", R"(, "is_decoder": true, "hidden_act": "relu",
    "position_embedding_type": "relative_key")")),
      "hidden_act is relu, and Hadal has gelu, gelu_python; position_embedding_type is relative_key, and Hadal "
      "has absolute; is_decoder is true");
  EXPECT_ERROR(read(bert_settings, bert("BertForSequenceClassification", R"(, "problem_type": "regression")")),
               "problem_type is regression");
  EXPECT_ERROR(read(bert_settings, bert("BertForQuestionAnswering")), "architectures is BertForQuestionAnswering");
  EXPECT_ERROR(read(vit_settings, R"({"model_type": "vit", "qkv_bias": false})"), "qkv_bias is false");
  EXPECT_ERROR(read(vit_settings, R"({"model_type": "vit", "image_size": [224, 160]})"), "image_size is no number");
}

TEST(Others, ABertIsWhatItsArchitectureSays) {
  EXPECT_EQ(read(bert_settings, bert("BertForMaskedLM")).name, "bert");
  EXPECT_EQ(read(bert_settings, bert("BertModel")).name, "bert_encoder");
  const auto classes = read(bert_settings, bert("BertForSequenceClassification", R"(, "id2label": {"0": "a", "1": "b",
    "2": "c"}, "layer_norm_eps": 1e-5)"));
  EXPECT_EQ(classes.name, "bert_classifier");
  EXPECT_EQ(number(classes.settings, "classes"), 3);
  EXPECT_EQ(number(classes.settings, "heads"), 3);
  EXPECT_EQ(number(classes.settings, "norm_eps"), 1e-5);
  EXPECT_EQ(number(read(bert_settings, bert("BertModel")).settings, "norm_eps"), 1e-12);
}

TEST(Others, AFolderSaysTaskTokenizerNamesAndEnds) {
  Published llama(R"({"model_type": "llama", "eos_token_id": 2})");
  EXPECT_EQ(text(llama.recipe(), "task"), "language");
  EXPECT_EQ(text(llama.recipe(), "model.name"), "llama");
  EXPECT_EQ(llama.recipe().find("ends")->text(), "[2]");
  EXPECT_FALSE(llama.recipe().find("tokenizer"));
  write_file(llama / "generation_config.json", R"({"eos_token_id": [0, 7]})");
  EXPECT_EQ(llama.recipe().find("ends")->text(), "[0, 7]");
  write_file(llama / "tokenizer.model", "x");
  EXPECT_EQ(text(llama.recipe(), "tokenizer.name"), "sentencepiece");
  write_file(llama / "tokenizer.json", "{}");
  EXPECT_EQ(text(llama.recipe(), "tokenizer.name"), "huggingface");
  EXPECT_EQ(text(llama.recipe(), "learned.tokenizer.path"), llama.path()) << "training from it has it too";
  write_file(llama / "generation_config.json", R"({"eos_token_id": "</s>"})");
  EXPECT_ERROR(llama.recipe(), "generation_config.json: eos_token_id is neither a token nor a list");

  const auto names = [](const std::string& labels) {
    const auto recipe = Published(bert("BertForSequenceClassification", R"(, "id2label": )" + labels)).recipe();
    const auto* found = recipe.find_path("learned.names");
    return found ? found->text() : "";
  };
  EXPECT_EQ(names(R"({"0": "sports", "1": "art"})"), R"(["sports", "art"])");
  EXPECT_EQ(names(R"({"0": "LABEL_0", "1": "LABEL_1"})"), "");
  EXPECT_EQ(names(R"({"0": "sports", "2": "art"})"), "");
}

TEST(Others, ADetectorsFolderSaysItsClassesAndTheSideOfItsPictures) {
  Published detector(R"({"model_type": "d_fine", "id2label": {"0": "cat", "1": "dog"}})");
  EXPECT_EQ(text(detector.recipe(), "task"), "detect");
  EXPECT_EQ(text(detector.recipe(), "model.name"), "d_fine-l");
  EXPECT_EQ(number(detector.recipe(), "model.classes"), 2);
  EXPECT_EQ(detector.recipe().find_path("learned.names")->text(), R"(["cat", "dog"])");
  EXPECT_EQ(number(detector.recipe(), "model.size"), 640);
  const auto prepared = [&](const std::string& how) {
    write_file(detector / "preprocessor_config.json", how);
    return detector.recipe();
  };
  EXPECT_EQ(number(prepared(R"({"size": {"height": 512, "width": 512}, "do_normalize": false})"), "model.size"), 512);
  EXPECT_EQ(number(prepared(R"({"size": {"height": 512, "width": 512}, "do_resize": false})"), "model.size"), 640);
  EXPECT_ERROR(prepared(R"({"do_normalize": true})"), "preprocessor_config.json: do_normalize is true");
  EXPECT_ERROR(prepared(R"({"size": {"shortest_edge": 800}})"), "size keeps the picture's shape");
  EXPECT_ERROR(prepared(R"({"size": {"height": 512, "width": 640}})"), "size is 512 by 640");
}

TEST(Others, AnEncoderIsPooledAsItsFolderSays) {
  Published encoder(bert("BertModel"));
  EXPECT_EQ(text(encoder.recipe(), "task"), "embed");
  EXPECT_EQ(text(encoder.recipe(), "pooling.mode"), "mean");
  write_file(encoder / "1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
  EXPECT_EQ(text(encoder.recipe(), "pooling.mode"), "cls");
}

TEST(Others, PicturesArePreparedAsTheFolderSays) {
  const auto read = [](const std::string& json) { return augment_settings(Json::parse(json), "p.json"); };
  const auto vit = read(R"({"size": {"height": 224, "width": 224}, "resample": 2, "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.5, 0.5, 0.5], "do_rescale": true, "rescale_factor": 0.00392156862745098})");
  EXPECT_EQ(number(vit, "size"), 224);
  EXPECT_TRUE(read_flag(*vit.find("squash"), ""));
  EXPECT_EQ(vit.find("mean")->text(), "[0.5, 0.4, 0.3]");
  EXPECT_EQ(text(vit, "interpolation"), "bilinear");
  EXPECT_EQ(number(read(R"({"size": 384})"), "size"), 384);
  const auto cut = read(R"({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224},
    "do_center_crop": true, "resample": 3})");
  EXPECT_EQ(number(cut, "size"), 224);
  EXPECT_EQ(number(cut, "resize"), 256);
  EXPECT_FALSE(read_flag(*cut.find("squash"), ""));
  EXPECT_EQ(text(cut, "interpolation"), "bicubic");
  EXPECT_EQ(read("null").find("mean")->text(), "[0.5]");
  EXPECT_EQ(read(R"({"do_normalize": false})").find("std")->text(), "[1.0]");
  EXPECT_ERROR(read(R"({"resample": 0})"), "p.json: resample is 0; Hadal resizes bilinear (2) or bicubic (3)");
  EXPECT_ERROR(read(R"({"size": {"height": 224, "width": 160}})"), "size is 224 by 160; Hadal's pictures are square");
  EXPECT_ERROR(read(R"({"size": -1})"), "size is no side of a picture");
  EXPECT_ERROR(read(R"({"rescale_factor": 0.5})"), "rescale_factor is 0.5 and not 1/255");
  EXPECT_ERROR(read(R"({"do_rescale": false})"), "do_rescale is false");
  EXPECT_ERROR(read(R"({"image_mean": ["a"]})"), "image_mean wants a number for each channel");
}

TEST(Others, WordsAgainstTheWeightsAreRefusedWithTheSettingToGive) {
  const auto theirs = [](const std::string& config) { return Published(config).recipe(); };
  const auto said = [&](const std::string& config, Table model, bool learns = false) {
    model.set("name", "llama");
    return over_weights({{"task", "language"}, {"model", std::move(model)}}, theirs(config), learns);
  };
  const std::string four =
      R"({"model_type": "llama", "num_attention_heads": 4, "rms_norm_eps": 9.999999747378752e-06})";
  EXPECT_EQ(number(said(four, {}), "model.heads"), 4);
  EXPECT_ERROR(said(four, {{"heads", Word{"8"}}}), "the weights were trained with model.heads=4;");
  EXPECT_ERROR(said(four, {{"heads", 8}, {"norm_eps", 1e-6}}), "model.heads=4 model.norm_eps=");
  EXPECT_NO_THROW(said(four, {{"norm_eps", Word{"1e-5"}}})) << "the same to a float";
  EXPECT_ERROR(said(four, {{"norm_eps", 1.00001e-5}}), "model.norm_eps=");
  EXPECT_NO_THROW(said(four, {{"context", 128}, {"dropout", 0.1}}));
  const Table stretched{{"rotary", Table{{"scaling", "linear"}, {"factor", 4.0}}}};
  EXPECT_EQ(text(said(four, stretched), "model.rotary.scaling"), "linear") << "for longer texts";
  const std::string llama3 = R"({"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
    "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}})";
  EXPECT_ERROR(said(llama3, stretched), "model.rotary.scaling=llama3");
}

TEST(Others, OtherConfigFilesSayNothing) {
  Published mine(R"({"name": "mine"})");
  EXPECT_NE(read_passport(mine.path()).by, "huggingface");
  write_file(mine / "config.json", "{");
  EXPECT_ERROR(read_passport(mine.path()), "config.json");
}

TEST(Others, WeightsOfPyTorchsExamplesAreKnownByTheirNames) {
  const test::TemporaryFolder folder;
  const auto path = (folder / "netG_epoch_24.pth").string();
  const DcganConfig faces{.channels = 3, .image = 64, .latent = 20, .width = 8};
  DcganGenerator generator(faces);
  save_weights(path, *generator);
  auto recipe = recipe_of(read_passport(path));
  EXPECT_EQ(text(recipe, "task"), "gan");
  EXPECT_EQ(text(recipe, "model.name"), "dcgan");
  EXPECT_EQ(number(recipe, "model.channels"), 3);
  EXPECT_EQ(number(recipe, "model.image"), 64);
  EXPECT_EQ(number(recipe, "model.latent"), 20);
  EXPECT_EQ(number(recipe, "model.width"), 8);
  const auto made = dynamic_cast<GanMaker&>(*open_trained(path)).pictures();
  EXPECT_EQ(made.height, 64);
  // A whole checkpoint, both nets nested in it.
  const auto whole = (folder / "checkpoint.safetensors").string();
  NamedTensors nested;
  for (const auto& [name, tensor] : state_dict(*generator).entries) nested.add("netG_state_dict." + name, tensor);
  for (const auto& [name, tensor] : state_dict(*DcganDiscriminator(faces)).entries)
    nested.add("netD_state_dict." + name, tensor);
  write_safetensors(whole, nested);
  EXPECT_EQ(number(recipe_of(read_passport(whole)), "model.image"), 64);
  EXPECT_NO_THROW(open_trained(whole));
  // A discriminator alone makes nothing.
  save_weights(path, *DcganDiscriminator(faces));
  EXPECT_TRUE(recipe_of(read_passport(path)).empty());

  MlpVae vae(MlpVaeConfig{.channels = 1, .image = 8, .classes = 3, .hidden = 7, .latent = 2});
  save_weights(path, *vae);
  recipe = recipe_of(read_passport(path));
  EXPECT_EQ(text(recipe, "model.name"), "vae");
  EXPECT_EQ(number(recipe, "model.image"), 8);
  EXPECT_EQ(number(recipe, "model.classes"), 3);
  EXPECT_EQ(number(recipe, "model.hidden"), 7);
  EXPECT_NO_THROW(open_trained(path));
}
