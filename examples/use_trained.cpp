// Uses a model that Hadal trained, or somebody else: example_use_trained MODEL PICTURE... names what is in the
// pictures.
#include <cstdio>

#include "hadal/hadal.h"

namespace {

void detect(const std::string& weights, const std::vector<std::string>& pictures) {
  const auto detector = hadal::load_detector(weights);
  for (const auto& picture : pictures)
    for (const auto& found : (*detector)(hadal::read_image(picture)))
      std::printf("%s: %s %.2f at %.0f %.0f %.0f %.0f\n", picture.c_str(), found.name.c_str(), found.score,
                  found.box[0], found.box[1], found.box[2], found.box[3]);
}

void classify(const std::string& weights, const std::vector<std::string>& pictures) {
  const auto classifier = hadal::load_classifier(weights);
  for (const auto& picture : pictures) {
    const auto best = (*classifier)(hadal::read_image(picture)).at(0);
    std::printf("%s: %s %.2f\n", picture.c_str(), best.name.c_str(), best.score);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::puts("example_use_trained MODEL PICTURE..."), 2;
  try {
    const auto recipe = hadal::recipe_of(hadal::read_passport(argv[1]));
    const auto use = hadal::task_of(recipe) == "detect" ? detect : classify;
    use(argv[1], {argv + 2, argv + argc});
  } catch (const hadal::Error& error) {
    return std::fprintf(stderr, "%s\n", error.what()), 1;
  }
}
