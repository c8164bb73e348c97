// Darknet's networks: their texts, their sizes, their weights, and what a hostile .cfg is told.
#include "hadal/models/detection/darknet.h"

#include <algorithm>
#include <map>

#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/io/weights.h"
#include "hadal/nn/init.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

std::filesystem::path fastest() { return data_folder().parent_path() / "weights/yolo-fastest"; }

DarknetPlan plan_of(const std::string& text) { return plan_darknet(read_darknet_cfg(text, "x.cfg")); }

const std::string kNet = "[net]\nwidth=32\nheight=32\n";  // lines 1 to 3
const std::string kHead = "[convolutional]\nfilters=7\nactivation=linear\n[yolo]\nclasses=2\nanchors=8,8\nnum=1\n";

int64_t parameters(const nn::Module& module) {
  int64_t sum = 0;
  for (const auto& parameter : module.parameters()) sum += parameter.numel();
  return sum;
}

}  // namespace

TEST(DarknetPresets, HoldAsManyFloatsAsThePublishedFiles) {
  // The published files' bytes, less their headers, by four.
  const std::map<std::string, int64_t> floats = {
      {"yolov2", 50983561},     {"yolov2-tiny", 11237145}, {"yolov3", 62001757},    {"yolov3-tiny", 8858734},
      {"yolov3-spp", 63052381}, {"yolov4", 64429405},      {"yolov4-tiny", 6062814}};
  for (const auto& name : darknet_presets()) {
    const auto plan = plan_of(darknet_preset(name));
    EXPECT_EQ(plan.floats(), floats.at(name)) << name;
    EXPECT_EQ(plan.stride(), 32) << name;
    EXPECT_EQ(plan.classes(), 80) << name;
  }
  const WithoutInit unset;
  EXPECT_EQ(parameters(DarknetImpl({.cfg = "yolov3-tiny"})), 8852366);
  EXPECT_EQ(parameters(DarknetImpl({.cfg = "yolov3"})), 61949149);
  EXPECT_ERROR(darknet_preset("yolov5"), "unknown network \"yolov5\"; nearest: yolov");
}

TEST(Darknet, TakesAnotherNumberOfClasses) {
  const DarknetImpl model({.cfg = "yolov4-tiny", .classes = 3});
  EXPECT_EQ(model.plan().classes(), 3);
  for (const auto head : model.plan().heads) EXPECT_EQ(model.plan().layers[head - 1].channels, 24);
  EXPECT_THAT(model.heads(), testing::ElementsAre("layers.29.", "layers.36."));
  // A row of 80 classes is cut with its own heads.
  const auto row = torch::arange(6062814, torch::kFloat32);
  const auto cut = model.own_names({{kDarknetFloats, row}});
  const auto head =
      std::find_if(cut.begin(), cut.end(), [](const auto& e) { return e.first == "layers.36.conv.weight"; });
  ASSERT_NE(head, cut.end());
  EXPECT_EQ(head->second.size(0), 255);
  EXPECT_EQ(cut[0].first, "layers.0.bn.bias");
  EXPECT_EQ(cut[4].first, "layers.0.conv.weight");
  EXPECT_EQ(cut[4].second.flatten()[0].item<float>(), 128);
}

TEST(Darknet, ReadsWeightsToTheLastFloat) {
  const DarknetImpl model({.cfg = kNet + kHead});  // 7 + 21 floats
  EXPECT_EQ(model.own_names({{kDarknetFloats, torch::zeros({28})}}).size(), 2);
  EXPECT_ERROR(model.own_names({{kDarknetFloats, torch::zeros({27})}}), "hold 27 floats, 1 fewer than the 28 of");
  EXPECT_ERROR(model.own_names({{kDarknetFloats, torch::zeros({31})}}), "hold 31 floats, 3 more than the 28 of");
  TensorsByName named = {{"layers.0.conv.bias", torch::zeros({7})}};
  EXPECT_EQ(model.own_names(named)[0].first, "layers.0.conv.bias");
}

TEST(DarknetWeights, RefuseWhatIsNoSuchFile) {
  const TemporaryFolder folder;
  const auto put = [&](const std::string& bytes) {
    write_file(folder / "x.weights", bytes);
    return folder / "x.weights";
  };
  EXPECT_ERROR(read_darknet_weights(put("")), "cut short");
  EXPECT_ERROR(read_darknet_weights(put(std::string(16, '\x7f'))), "no .weights of Darknet's");
  const std::string header("\0\0\0\0\2\0\0\0\5\0\0\0\1\0\0\0\0\0\0\0", 20);
  EXPECT_ERROR(read_darknet_weights(put(header + "abc")), "3 bytes follow the header, no whole number of floats");
  EXPECT_EQ(read_darknet_weights(put(header)).at(kDarknetFloats).numel(), 0);
  const std::string old("\0\0\0\0\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0", 20);  // 0.1: 32 bits, then one float
  const auto read = read_darknet_weights(put(old));
  EXPECT_EQ(read.metadata.at("darknet.version"), "0.1.0");
  EXPECT_EQ(read.metadata.at("darknet.seen"), "7");
  EXPECT_EQ(read.at(kDarknetFloats).numel(), 1);
  write_darknet_weights(folder / "y.weights", darknet_header(read), {torch::zeros({1})});
  EXPECT_EQ(read_file(folder / "y.weights"), old);
}

TEST(DarknetCfg, SaysWhatIsWrongAndWhere) {
  EXPECT_ERROR(plan_of(""), "x.cfg: no section");
  EXPECT_ERROR(plan_of("[net]\n"), "no layer after [net]");
  EXPECT_ERROR(plan_of("[yolo]\n"), "x.cfg, line 1: [yolo] comes first");
  EXPECT_ERROR(plan_of("width=3\n"), "line 1: \"width=3\" stands before any section");
  EXPECT_ERROR(plan_of("[net]\nwidth\n"), "line 2: a line is key=value");
  EXPECT_ERROR(plan_of("[net\n"), "line 1: a section is [name]");
  EXPECT_ERROR(plan_of("[net]\n[convolutionl]\n"),
               "line 2: [convolutionl] is no layer of YOLOv2, v3 or v4; nearest: conv");
  EXPECT_ERROR(plan_of("[net]\n[softmax]\n"), "[softmax] is no layer");
  EXPECT_ERROR(plan_of(kNet + "[avgpool]\n"), "no [yolo] or [region] layer");
  EXPECT_ERROR(plan_of("[net]\nwidth=1000000\n[avgpool]\n"), "line 2: [net] width must be from 1 to 16384");
  EXPECT_ERROR(plan_of("[net]\nwidth=32.5\n[avgpool]\n"), "width wants a whole number, got \"32.5\"");
  EXPECT_ERROR(plan_of(kNet + "[convolutional]\nactivation=elu\n"), "unknown activation \"elu\"");
  EXPECT_ERROR(plan_of(kNet + "[convolutional]\nxnor=1\nactivation=linear\n"),
               "line 5: [convolutional] xnor=\"1\" is not known");
  EXPECT_ERROR(plan_of(kNet + "[convolutional]\nfilters=5\ngroups=3\nactivation=linear\n"),
               "groups=3 divides not both");
  EXPECT_ERROR(plan_of(kNet + "[convolutional]\nsize=40\nactivation=linear\n"), "nothing is left");
  EXPECT_ERROR(plan_of(kNet + "[avgpool]\n[route]\nlayers=1\n"), "layers=1 is not there yet: this is layer 1");
  EXPECT_ERROR(plan_of(kNet + "[avgpool]\n[route]\nlayers=7\n"), "layers=7 is not there yet");
  EXPECT_ERROR(plan_of(kNet + "[avgpool]\n[route]\nlayers=-2\n"), "layers=-2 lies before the first layer");
  EXPECT_ERROR(plan_of(kNet + "[avgpool]\n[route]\n"), "wants layers=");
  EXPECT_ERROR(plan_of(kNet + "[maxpool]\nsize=2\nstride=2\n[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=-2\n"),
               "layer 0 is 16 x 16, this one 8 x 8");
  EXPECT_ERROR(plan_of(kNet + "[dropout]\n[route]\nlayers=0\ngroups=2\n"), "3 channels, which 2 groups do not divide");
  EXPECT_ERROR(plan_of(kNet + "[reorg]\nstride=2\n"), "stride=2 does not divide 3 channels");
  EXPECT_ERROR(plan_of("[net]\nwidth=16384\nheight=16384\n[upsample]\n"), "are too much");
  std::string wide = "[net]\nwidth=1\nheight=1\n";
  for (int i = 0; i < 3; ++i) wide += "[convolutional]\nfilters=65536\nactivation=linear\n";
  EXPECT_ERROR(plan_of(wide), "more than 536870912 weights");
  EXPECT_ERROR(plan_of(kNet + "[yolo]\nclasses=2\nanchors=8,8\nnum=1\n"),
               "wants 7 channels, 1 anchors x (5 + 2 classes); the layer before has 3");
  EXPECT_ERROR(plan_of(kNet + "[yolo]\nanchors=8,8,9\nnum=1\n"), "num=1 anchors want 2 numbers, got 3");
  EXPECT_ERROR(plan_of(kNet + "[yolo]\nanchors=8,nan\nnum=1\n"), "anchors wants a number");
  EXPECT_ERROR(plan_of(kNet + "[yolo]\nanchors=8,-1\nnum=1\n"), "anchor 0 is 8 x -1");
  EXPECT_ERROR(plan_of(kNet + "[yolo]\nanchors=8,8\nnum=1\nmask=1\n"), "mask=1 is no anchor of 1");
  EXPECT_ERROR(plan_of(kNet + "[yolo]\nanchors=8,8\nnum=1\niou_loss=eiou\n"), "iou_loss=\"eiou\" is none of mse");
  std::string many = "[net]\n";
  for (int i = 0; i < 4097; ++i) many += "[dropout]\n";
  EXPECT_ERROR(plan_of(many), "more than 4096 layers");
  EXPECT_ERROR(DarknetImpl({}), "cfg wants a .cfg file, its text, or one of yolov2, ");
  DarknetImpl model({.cfg = "yolov3-tiny", .classes = 1});
  EXPECT_ERROR(model.forward(torch::zeros({1, 3, 32, 40})), "multiples of 32, got 32 x 40");
}

TEST(DarknetCfg, KeepsItsMeaningAsText) {
  const auto sections =
      read_darknet_cfg("# a comment\n[net]\nwidth = 64 ; not one\n;one\nheight=32\n [ yolo ]\nmask = 1, 2 # x\n", "x");
  EXPECT_EQ(darknet_cfg_text(sections), "[net]\nwidth=64;notone\nheight=32\n[yolo]\nmask=1,2\n");
  EXPECT_EQ(sections[1].line, 6);
}

TEST(DarknetCfg, BecomesARecipesModel) {
  const auto settings = darknet_settings("# mine\n" + kNet + kHead, "x.cfg");
  const auto read = parse_toml(to_toml({{"model", settings}}), "recipe");
  const auto model = detectors().make(Part{"darknet", *read.find("model")->get_if<Table>()});
  EXPECT_EQ(model->parameters().size(), 2);
  EXPECT_EQ(model->preparation().size, 32);
  EXPECT_EQ(*read.find_path("model.classes"), Value(2));
}

TEST(DarknetCfg, SurvivesMutation) {
  uint64_t state = 1;
  const auto random = [&](size_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % below;
  };
  size_t accepted = 0;
  for (const auto* name : {"v2", "v3", "v4"}) {
    const auto text = read_file(golden(fmt::format("darknet/{}.cfg", name)));
    for (int i = 0; i < 700; ++i) {
      auto mutant = text;
      for (size_t k = 0; k <= random(3); ++k) {
        const auto at = random(mutant.size()), length = random(40);
        switch (random(4)) {
          case 0:
            mutant[at] = static_cast<char>(random(256));
            break;
          case 1:
            mutant.erase(at, length);
            break;
          case 2:
            mutant.insert(at, text, random(text.size()), length);
            break;
          default:
            mutant[at] = "0123456789-=,.[]\n"[random(17)];
        }
      }
      try {
        const auto sections = read_darknet_cfg(mutant, "mutant");
        EXPECT_GE(plan_darknet(sections).floats(), 0);
        plan_darknet(with_classes(sections, 3));
        ++accepted;
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST(YoloFastest, FindsWhatDarknetFindsAndWritesItsFileAgain) {
  NEEDS_DATA(fastest());
  if (!has_image_formats()) GTEST_SKIP() << "no JPEG in this build";
  const WithoutInit unset;
  DarknetImpl model({.cfg = read_file(fastest() / "yolo-fastest-1.1.cfg")});
  EXPECT_EQ(model.plan().floats(), 346062);
  const auto row = read_darknet_weights(fastest() / "yolo-fastest-1.1.weights");
  NamedTensors named;
  named.entries = model.own_names(row.entries);
  EXPECT_TRUE(load_weights(model, named).clean());

  const TemporaryFolder folder;
  save_darknet_weights(folder / "again.weights", model, darknet_header(row));
  EXPECT_EQ(read_file(folder / "again.weights"), read_file(fastest() / "yolo-fastest-1.1.weights"));

  model.eval();
  const auto picture = read_image(fastest() / "dog.jpg");
  const auto height = picture.size(0), width = picture.size(1);
  const auto pixels = F::interpolate(
      picture.permute({2, 0, 1}).unsqueeze(0).to(torch::kFloat32) / 255,
      F::InterpolateFuncOptions().size(std::vector<int64_t>{320, 320}).mode(torch::kBilinear).align_corners(true));
  const auto found = model.find(pixels, torch::tensor({{320, 320}}), {.conf = 0.25, .iou = 0.45})[0];
  const auto scale = torch::tensor({width, height, width, height}, torch::kFloat32) / 320;
  const auto expect = [&](int64_t label, double score, const std::vector<double>& box) {
    double best = 1;
    for (int64_t i = 0; i < found.labels.size(0); ++i) {
      if (found.labels[i].item<int64_t>() != label) continue;
      const auto off = std::abs(found.scores[i].item<double>() - score);
      if (off > 0.02) continue;
      best = std::min(best, off);
      if (!box.empty()) EXPECT_LT((found.boxes[i] * scale - torch::tensor(box)).abs().max().item<double>(), 3) << label;
    }
    EXPECT_LT(best, 0.02) << "class " << label << ": " << found.labels << found.scores;
  };
  expect(2, 0.883, {454, 78, 684, 180});    // car
  expect(16, 0.648, {122, 222, 365, 517});  // dog
  expect(1, 0.546, {});                     // bicycle
  expect(15, 0.55, {});                     // cat
  EXPECT_EQ(found.labels.size(0), 7);
  EXPECT_TRUE(found.boxes.max().item<double>() <= 320 && found.boxes.min().item<double>() >= 0);
}

TEST(DarknetCfg, MayBeAFile) {
  const TemporaryFolder folder;
  const auto path = (folder / "my.cfg").string();
  write_file(path, "\xEF\xBB\xBF# mine\n" + kNet + kHead);
  EXPECT_EQ(darknet_cfg(path), kNet + kHead);
  for (const auto& same : {std::string("yolov3"), kNet + kHead}) EXPECT_EQ(darknet_cfg(same), same);
  EXPECT_ERROR(darknet_cfg("no/such.cfg"), "there is no file \"no/such.cfg\"; cfg wants a .cfg file, its text, or one");
  write_file(path, "# mine\n" + kNet + "[convolutionl]\n" + kHead);
  EXPECT_ERROR(darknet_cfg(path), "my.cfg, line 5: [convolutionl] is no layer");
  // What a recipe keeps is the text: the file may go.
  write_file(path, kNet + kHead);
  const auto resolved = detectors().resolve({"darknet", {{"cfg", Word{path}}}});
  EXPECT_EQ(resolved.settings.find("cfg")->text(), Value(kNet + kHead).text());
  EXPECT_EQ(DarknetImpl({.cfg = path}).cfg(32), kNet + kHead);
  EXPECT_THAT(DarknetImpl({.cfg = path, .classes = 3}).cfg(64), testing::HasSubstr("classes=3"));
  EXPECT_EQ(DarknetImpl({.cfg = DarknetImpl({.cfg = path}).cfg(64)}).preparation().size, 64);
}
