#include "hadal/tasks/making/diffusion.h"
#include "hadal/tasks/making/gan.h"
#include "hadal/tasks/making/speech.h"
#include "hadal/tasks/making/vae.h"
#include "hadal/tasks/making/vocoder.h"
#include "hadal/tasks/making/vqvae.h"
#include "hadal/tasks/series/classify_series.h"
#include "hadal/tasks/series/forecast.h"
#include "hadal/tasks/text/classify_text.h"
#include "hadal/tasks/text/language.h"
#include "hadal/tasks/text/translate.h"
#include "hadal/tasks/vision/classify.h"
#include "hadal/tasks/vision/detect.h"
#include "hadal/tasks/vision/pose.h"

namespace hadal {

const TaskCatalog& tasks() {
  static const auto catalog = [] {
    TaskCatalog made("task", "");
    register_classify(made);
    register_detect(made);
    register_pose(made);
    register_classify_text(made);
    register_forecast(made);
    register_language(made);
    register_translate(made);
    register_classify_series(made);
    register_gan(made);
    register_vae(made);
    register_vqvae(made);
    register_diffusion(made);
    register_vocoder(made);
    register_speech(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
