#include "hadal/trained/trained.h"

#include "hadal/trained/making/diffusion_maker.h"
#include "hadal/trained/making/gan_maker.h"
#include "hadal/trained/making/speech_maker.h"
#include "hadal/trained/making/vae_maker.h"
#include "hadal/trained/making/vocoder.h"
#include "hadal/trained/making/vqvae_maker.h"
#include "hadal/trained/series/classifier.h"
#include "hadal/trained/series/forecaster.h"
#include "hadal/trained/text/classifier.h"
#include "hadal/trained/text/embedder.h"
#include "hadal/trained/text/translator.h"
#include "hadal/trained/text/writer.h"
#include "hadal/trained/vision/classifier.h"
#include "hadal/trained/vision/detector.h"
#include "hadal/trained/vision/pose.h"

namespace hadal {

const TrainedCatalog& trained() {
  static const auto catalog = [] {
    TrainedCatalog made("task", "");
    register_trained_classifier(made);
    register_trained_detector(made);
    register_trained_pose(made);
    register_trained_text_classifier(made);
    register_trained_forecaster(made);
    register_trained_writer(made);
    register_trained_embedder(made);
    register_trained_translator(made);
    register_trained_series_classifier(made);
    register_gan_maker(made);
    register_vae_maker(made);
    register_vqvae_maker(made);
    register_diffusion_maker(made);
    register_trained_vocoder(made);
    register_speech_maker(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
