// Every trained thing: it answers, and from its file it answers the same; what is broken has an error, what it has no
// setting for is refused by name.
#include "hadal/io/image.h"
#include "hadal/trained/open.h"

#include "tests/data/sound/sounds_drawn.h"
#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;

namespace {

const Table kCharacters{{"name", "characters"}, {"vocabulary", " abcdefghij\n"}};

/// A small one of each kind, as its recipe.
Table small(const std::string& task) {
  const Table text{{"tokenizer", kCharacters}};
  if (task == "classify")
    return {{"model", Table{{"name", "mlp"}, {"classes", 3}, {"channels", 3}, {"image", 8}, {"hidden", List{6}}}},
            {"learned", Table{{"names", List{"ant", "bee", "cow"}}}}};
  if (task == "detect")
    return {{"model", Table{{"name", "yolov8n"}, {"width", 0.125}, {"classes", 2}}},
            {"size", 64},
            {"predict", Table{{"conf", 0.01}, {"most", 5}}},
            {"learned", Table{{"names", List{"ant", "bee"}}}}};
  if (task == "pose")
    return {{"model", Table{{"name", "simplebaseline_resnet18"},
                            {"keypoints", 2},
                            {"height", 32},
                            {"width", 32},
                            {"layers", List{1, 1, 1, 1}},
                            {"deconv", List{4, 4, 4}}}},
            {"learned", Table{{"names", List{"ant"}}, {"keypoints", List{"head", "tail"}}}}};
  if (task == "classify_text")
    return {{"model", Table{{"name", "text_encoder"}, {"dim", 8}, {"heads", 2}, {"mlp", 8}, {"depth", 1}}},
            {"learned", Table{{"names", List{"good", "bad"}}, {"tokenizer", kCharacters}}}};
  if (task == "embed")
    return {{"model", Table{{"name", "bert_encoder"},
                            {"vocabulary", 12},
                            {"context", 32},
                            {"dim", 8},
                            {"heads", 2},
                            {"mlp", 8},
                            {"depth", 1}}},
            {"tokenizer", Table{{"name", "characters"}}},
            {"pooling", Table{{"mode", "cls"}, {"normalize", false}}},
            {"learned", text}};
  if (task == "language")
    return {{"model", Table{{"name", "llama"}, {"context", 16}, {"dim", 8}, {"heads", 2}, {"mlp", 8}, {"depth", 1}}},
            {"generate", Table{{"tokens", 6}}},
            {"learned", text}};
  if (task == "translate")
    return {{"model", Table{{"name", "transformer"},
                            {"dim", 8},
                            {"heads", 2},
                            {"mlp", 8},
                            {"encoder_layers", 1},
                            {"decoder_layers", 1}}},
            {"longest", 12},
            {"learned", text}};
  if (task == "forecast")
    return {{"model", Table{{"name", "dlinear"}, {"kernel", 3}}},
            {"input", 4},
            {"horizon", 2},
            {"learned", Table{{"series", Table{{"columns", List{"load"}},
                                               {"mean", List{2.0}},
                                               {"deviation", List{1.0}},
                                               {"input", 4},
                                               {"horizon", 2}}}}}};
  if (task == "classify_series")
    return {{"model", Table{{"name", "series_classifier"},
                            {"encoder", Table{{"dim", 8}, {"heads", 2}, {"mlp", 8}, {"depth", 1}}}}},
            {"data", Table{{"kind", "sounds"}, {"path", "sounds"}, {"length", 32}}},
            {"learned", Table{{"names", List{"hum", "whistle"}}}}};
  const Table unet{{"name", "unet"}, {"widths", List{8, 8}}, {"head_dim", 8}, {"groups", 2}};
  const Table quick{{"n", 2}, {"sampler", "euler"}, {"steps", 2}};
  if (task == "gan") return {{"model", Table{{"name", "dcgan"}, {"width", 4}}}, {"generate", Table{{"n", 2}}}};
  if (task == "vae") return {{"model", Table{{"name", "vae"}, {"hidden", 8}}}, {"generate", Table{{"n", 2}}}};
  if (task == "vqvae")
    return {{"model", Table{{"name", "vqvae"}, {"width", 8}, {"codes", 16}, {"dim", 4}, {"blocks", 1}}},
            {"prior", Table{{"dim", 8}, {"depth", 1}, {"heads", 2}}},
            {"generate", Table{{"n", 2}}}};
  if (task == "diffusion") return {{"model", unet}, {"generate", quick}};
  if (task == "speech")
    return {{"model", unet},
            {"data", Table{{"kind", "sounds"}, {"path", "sounds"}, {"length", 32}}},
            {"generate", quick},
            {"learned", Table{{"range", Table{{"low", -8.0}, {"high", 2.0}}}}}};
  if (task == "vocoder")
    return {{"model", Table{{"name", "vocos-8khz"}, {"dim", 8}, {"mlp", 8}, {"depth", 1}}},
            {"data", Table{{"kind", "sounds"}, {"path", "sounds"}}}};
  return {};
}

Input good(Takes takes) {
  if (takes == Takes::picture)
    return {"a.png", encode_png(torch::arange(8 * 8 * 3).view({8, 8, 3}).to(torch::kUInt8)), {}};
  if (takes == Takes::sound) return {"a.wav", test::tone(0.4), {}};
  if (takes == Takes::table)
    return {"a.csv", "date,load\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n2024-01-04,3\n", {}};
  return {"text", "a bad cab hid", {}};
}

Input broken(Takes takes) {
  const bool words = takes == Takes::text || takes == Takes::lines;
  return {"broken", words ? "a \xff\xfe b" : "nothing of the kind", {}};
}

/// What generate makes of a prompt or of nothing, files too, where it makes anything; of the others the answer to an
/// input.
std::string answer(Trained& trained, const Table& recipe) {
  std::string out;
  if (trained.takes() == Takes::nothing) {
    trained.generate({}, {}, [&](const Piece& piece) {
      if (!piece.made) return true;
      out += piece.made->json.dump();
      for (const auto& file : piece.made->files) out += file.bytes();
      return true;
    });
    return out;
  }
  const auto inputs = std::vector<Input>{good(trained.takes())};
  for (const auto& made : trained.predict(inputs)) out += made.error + made.json.dump();
  if (recipe.find("generate"))
    trained.generate(inputs, {}, [&](const Piece& piece) {
      if (piece.made) out += piece.made->json.dump();
      return true;
    });
  return out;
}

class All : public testing::TestWithParam<std::string> {};

}  // namespace

TEST_P(All, AnswersTheSameFromItsFileAndSaysWhatIsWrong) {
  const auto& name = GetParam();
  auto recipe = small(name);
  ASSERT_FALSE(recipe.empty()) << "give small() one of " << name;
  recipe.set("task", name);
  const auto made = make_trained(recipe, Use{.batch = 2});
  {
    const torch::NoGradGuard no_grad;  // heads that begin at zero would hide what lies before them
    for (auto& parameter : made->model().named_parameters())
      parameter.value().copy_(test::weight(parameter.key(), parameter.value().sizes()));
  }
  EXPECT_THAT(made->summary(), testing::HasSubstr("parameters"));
  const auto said = answer(*made, recipe);
  EXPECT_THAT(said, testing::HasSubstr("{\"")) << said;

  const test::TemporaryFolder folder;
  const auto file = folder / "weights.safetensors";
  write_weights(file, made->model(), recipe);
  const auto opened = open_trained(file, {.device = "cpu"});
  EXPECT_EQ(opened->summary(), made->summary());
  EXPECT_EQ(answer(*opened, recipe), said);

  EXPECT_ERROR(open_trained(file, {.device = "cpu"}, {{"model", Table{{"name", "nonsense"}}}}), "nonsense");
  if (opened->takes() == Takes::nothing) {
    EXPECT_ERROR(opened->generate({}, {{"nonsense", 1}}, [](const Piece&) { return true; }), "nonsense");
    EXPECT_ERROR(opened->predict({}), "this model predicts nothing");
    return;
  }

  // What is broken spoils nothing beside it.
  const auto inputs = std::vector<Input>{broken(opened->takes()), good(opened->takes())};
  const auto answers = opened->predict(inputs);
  ASSERT_EQ(answers.size(), 2);
  EXPECT_THAT(answers[0].error, testing::Not("")) << answers[0].json;
  EXPECT_EQ(answers[1].error, "");
  EXPECT_EQ(answers[1].json, opened->predict(std::span(inputs).subspan(1))[0].json);

  EXPECT_ERROR(opened->predict(inputs, {{"nonsense", 1}}), "nonsense");
  if (recipe.find("generate"))
    EXPECT_ERROR(opened->generate(inputs, {{"nonsense", 1}}, [](const Piece&) { return true; }), "nonsense");
}

INSTANTIATE_TEST_SUITE_P(Trained, All, testing::ValuesIn(trained().names()),
                         [](const auto& info) { return info.param; });
