// Settings that no recipe could name, given by a program: every public model says so before it builds anything.
#include "hadal/models/forecast/dlinear.h"
#include "hadal/models/forecast/itransformer.h"
#include "hadal/models/forecast/patchtst.h"
#include "hadal/models/forecast/series_classifier.h"
#include "hadal/models/forecast/step_encoder.h"
#include "hadal/models/text/bert.h"
#include "hadal/models/text/causal_lm.h"
#include "hadal/models/text/text_classifier.h"
#include "hadal/models/text/transformer.h"
#include "hadal/models/vision/cnn.h"
#include "hadal/models/vision/mlp.h"
#include "hadal/models/vision/resnet.h"
#include "hadal/models/vision/vit.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Limits, HoldForModelsOfPictures) {
  EXPECT_ERROR(Mlp(MlpConfig{.image = -3}), "mlp.image wants an integer of at least 1, got -3");
  EXPECT_ERROR(Cnn(CnnConfig{.dropout = 1}), "cnn.dropout wants a number");
  EXPECT_ERROR(Vit(VitConfig{.patch = 0}), "vit.patch wants an integer of at least 1, got 0");
  EXPECT_ERROR(ResNet(ResNetConfig{.classes = 0}), "resnet.classes wants an integer of at least 1, got 0");
}

TEST(Limits, HoldForModelsOfText) {
  EXPECT_ERROR(CausalLm(CausalLmConfig{.heads = 0}), "model.heads wants an integer of at least 1, got 0");
  EXPECT_ERROR(CausalLm(CausalLmConfig{.positions = "none at all"}),
               "model.positions = \"none at all\" is not known; known: none, learned");
  EXPECT_ERROR(BertEncoder(BertConfig{.heads = 0}), "bert.heads wants an integer of at least 1, got 0");
  EXPECT_ERROR(TextEncoder(TextEncoderConfig{.heads = -1}), "text_encoder.heads wants an integer of at least 1");
  EXPECT_ERROR(Transformer(TransformerConfig{.dropout = 1.5}), "transformer.dropout wants a number");
}

TEST(Limits, HoldForModelsOfSeries) {
  const ForecastShape shape{.channels = 2, .input = 32, .horizon = 4};
  EXPECT_ERROR(PatchTst(PatchTstConfig{.stride = 0}, shape), "patchtst.stride wants an integer of at least 1, got 0");
  EXPECT_ERROR(PatchTst(PatchTstConfig{.encoder = {.heads = 0}}, shape), "patchtst.encoder.heads wants an integer");
  EXPECT_ERROR(Dlinear(DlinearConfig{.kernel = -1}, shape), "dlinear.kernel wants an integer of at least 1, got -1");
  EXPECT_ERROR(Itransformer(ItransformerConfig{.encoder = {.heads = 0}}, shape), "itransformer.encoder.heads wants");
  EXPECT_ERROR(StepEncoder(StepEncoderConfig{.last = 0}, shape), "step_encoder.last wants an integer of at least 1");
  EXPECT_ERROR(SeriesClassifier(SeriesClassifierConfig{.patch = 0}, ClassShape{}), "series_classifier.patch wants");
}
