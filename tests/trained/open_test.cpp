// Who is right: a recipe, or the weights it is given.
#include "hadal/trained/open.h"

#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/models/detection/darknet.h"
#include "hadal/models/text/language_model.h"
#include "hadal/models/vision/classifier.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

Table recipe(Table model, const std::string& task = "language") {
  return {{"task", task}, {"model", std::move(model)}};
}

const Table kTheirs = recipe({{"name", "gpt"},
                              {"vocabulary", 30},
                              {"context", 16},
                              {"dim", 16},
                              {"depth", 1},
                              {"heads", 4},
                              {"mlp", 32},
                              {"norm_eps", 9.999999747378752e-06},
                              {"window", 0},
                              {"dropout", 0.1}});

std::string model_text(const Table& recipe, const std::string& key) {
  const auto* value = recipe.find_path("model." + key);
  return value ? value->text() : "";
}

TEST(OverWeights, WhatNobodySaysIsTheWeights) {
  const auto settled = over_weights(recipe({{"name", "gpt"}}), kTheirs, false);
  EXPECT_EQ(model_text(settled, "heads"), "4");
  EXPECT_EQ(model_text(settled, "vocabulary"), "30");
  EXPECT_EQ(model_text(over_weights({{"task", "language"}}, kTheirs, false), "name"), "\"gpt\"");
  // Of another model only what both have.
  const auto other = over_weights(recipe({{"name", "bert"}}), kTheirs, true);
  EXPECT_EQ(model_text(other, "heads"), "4");
  EXPECT_EQ(model_text(other, "window"), "");
  EXPECT_EQ(over_weights(kTheirs, {}, false), kTheirs);
}

TEST(OverWeights, WhatContradictsThemIsRefusedWithWhatToGive) {
  EXPECT_ERROR(
      over_weights(recipe({{"name", "gpt"}, {"heads", Word{"8"}}, {"norm_eps", 1e-3}}), kTheirs, true),
      "the weights were trained with model.heads=4 model.norm_eps=9.999999747378752e-06; other values would load "
      "and mean nonsense");
  // The same number, as people and as files write it.
  EXPECT_NO_THROW(
      over_weights(recipe({{"name", "gpt"}, {"heads", Word{"4"}}, {"norm_eps", Word{"1e-5"}}}), kTheirs, false));
}

TEST(OverWeights, ClassesAndKeypointsAreTheDatasWhereItLearns) {
  const auto people = recipe({{"name", "vitpose_s"}, {"keypoints", 5}, {"height", 128}}, "pose");
  const auto learning = over_weights(recipe({{"name", "vitpose_s"}}, "pose"), people, true);
  EXPECT_EQ(model_text(learning, "keypoints"), "");
  EXPECT_EQ(model_text(learning, "height"), "128");
  EXPECT_EQ(model_text(over_weights(recipe({{"name", "vitpose_s"}}, "pose"), people, false), "keypoints"), "5");
  EXPECT_ERROR(over_weights(recipe({{"name", "vitpose_s"}, {"keypoints", 4}}, "pose"), people, false),
               "the weights were trained with model.keypoints=5");
}

TEST(OverWeights, SomeSettingsMayChange) {
  const auto settled = over_weights(recipe({{"name", "gpt"}, {"dropout", 0.3}, {"context", 64}}), kTheirs, false);
  EXPECT_EQ(model_text(settled, "dropout"), "0.3");
  EXPECT_EQ(model_text(settled, "context"), "64");
  // A reach may be given to a model that had none, and changed where it learns on.
  EXPECT_NO_THROW(over_weights(recipe({{"name", "gpt"}, {"window", 8}}), kTheirs, false));
  auto narrow = kTheirs;
  narrow.set_path("model.window", 4);
  EXPECT_ERROR(over_weights(recipe({{"name", "gpt"}, {"window", 8}}), narrow, false), "model.window=4");
  EXPECT_NO_THROW(over_weights(recipe({{"name", "gpt"}, {"window", 8}}), narrow, true));
  auto turned = kTheirs;
  turned.set_path("model.rotary.base", 500000.0);
  EXPECT_EQ(model_text(over_weights(recipe({{"name", "gpt"}, {"rotary", Table{{"factor", 2}}}}), turned, true),
                       "rotary.base"),
            "500000.0");
}

TEST(OverWeights, ClassesAreTheDatasWhereItLearns) {
  const auto theirs = recipe({{"name", "mlp"}, {"classes", 10}, {"hidden", List{8}}}, "classify");
  const auto learning = over_weights(recipe({{"name", "mlp"}}, "classify"), theirs, true);
  EXPECT_EQ(model_text(learning, "classes"), "");
  EXPECT_EQ(model_text(learning, "hidden"), "[8]");
  EXPECT_EQ(model_text(over_weights(recipe({{"name", "mlp"}}, "classify"), theirs, false), "classes"), "10");
  EXPECT_NO_THROW(over_weights(recipe({{"name", "mlp"}, {"hidden", Word{"8"}}}, "classify"), theirs, false));
  EXPECT_ERROR(over_weights(recipe({{"name", "mlp"}, {"hidden", Word{"9"}}}, "classify"), theirs, false),
               "model.hidden=[8]");
}

TEST(OpenTrained, SaysWhatIsMissingOrOfAnotherKind) {
  const test::TemporaryFolder folder;
  const auto model = classifiers().make({"mlp", {{"classes", 2}, {"image", 4}, {"hidden", List{3}}}});
  save_weights(folder / "plain.safetensors", *model);
  EXPECT_ERROR(open_trained(folder / "plain.safetensors"), "plain.safetensors does not say which model it is for");
  const Table words{{"model", Table{{"name", "mlp"}, {"classes", 2}, {"image", 4}, {"hidden", List{3}}}}};
  EXPECT_EQ(open_trained(folder / "plain.safetensors", {}, words)->takes(), Takes::picture);
  write_weights(folder / "own.safetensors", *model,
                {{"task", "classify"},
                 {"model", *words.find("model")},
                 {"augment", Table{{"size", 4}}},
                 {"learned", Table{{"names", List{"a", "b"}}}}});
  EXPECT_NO_THROW(open_trained(folder / "own.safetensors"));
  EXPECT_ERROR(task_with_model("resnte18"), "there is no model \"resnte18\"; nearest: resnet18");
  EXPECT_ERROR(task_of({{"task", "clasify"}}), "unknown task \"clasify\"; nearest: classify");
}

TEST(OverWeights, ANetworksNameIsNotThatOfAnother) {
  const auto theirs = [](const std::string& cfg) {
    return recipe({{"name", "darknet"}, {"cfg", cfg}, {"classes", 80}}, "detect");
  };
  const Table tiny = recipe({{"name", "yolov4-tiny"}}, "detect");
  const auto other = theirs(darknet_preset("yolov3-tiny"));
  for (const bool learns : {false, true})
    EXPECT_ERROR(over_weights(tiny, other, learns),
                 "the weights were trained with model=darknet model.cfg=[net] width=416 height=416");
  EXPECT_ERROR(over_weights(recipe({{"name", "darknet"}, {"cfg", "yolov4"}}, "detect"), other, true),
               "model.cfg=[net]");
  // The same network for other classes, and with other settings of its training.
  auto own = darknet_preset("yolov4-tiny");
  own.insert(own.find("width"), "batch=64\n");
  EXPECT_EQ(model_text(over_weights(tiny, theirs(own), true), "cfg"), Value(own).text());
  EXPECT_NO_THROW(over_weights(recipe({{"name", "darknet"}, {"cfg", "yolov4-tiny"}}, "detect"), theirs(own), true));
  EXPECT_EQ(model_text(over_weights(recipe({{"name", "darknet"}}, "detect"), other, false), "cfg"),
            Value(darknet_preset("yolov3-tiny")).text());
}

TEST(OpenTrained, NamesTheFileThatIsWrong) {
  const test::TemporaryFolder folder;
  write_file(folder / "a.weights", std::string("\0\0\0\0\2\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x3f", 24));
  write_file(folder / "a.cfg", "[net]\n[convolutionl]\n");
  EXPECT_ERROR(open_trained(folder / "a.weights"), "a.cfg, line 2: [convolutionl]");
  write_file(folder / "a.cfg",
             "[net]\nwidth=32\nheight=32\n[convolutional]\nfilters=7\nactivation=linear\n[yolo]\n"
             "classes=2\nanchors=8,8\nnum=1\n");
  EXPECT_ERROR(open_trained(folder / "a.weights"), "a.weights: the .weights hold 1 floats, 27 fewer than the 28 of");
}

}  // namespace
}  // namespace hadal
