// Sizes and names of YOLO models, what they refuse, and what an ultralytics file says of its network.
#include "hadal/models/detection/yolo.h"

#include <nlohmann/json.hpp>

#include "hadal/nn/init.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

int64_t parameters_of(const std::string& name, int64_t classes) {
  const WithoutInit sizes_only;
  Table settings;
  settings.set("classes", classes);
  int64_t count = 0;
  for (const auto& parameter : detectors().make({name, settings})->parameters()) count += parameter.numel();
  return count;
}

struct Sizes {
  const char *family, *head;
  int64_t classes;
  std::array<int64_t, 5> parameters;
};

}  // namespace

TEST(Yolo, EverySizeHasAsManyParametersAsItsReference) {
  const std::vector<Sizes> rows = {
      {"v5", "", 80, {1872157, 7235389, 21190557, 46563709, 86749405}},
      {"v8", "", 80, {3157200, 11166560, 25902640, 43691520, 68229648}},
      {"v8", "-seg", 80, {3409968, 11821056, 27285968, 45997728, 71827888}},
      {"v8", "-pose", 1, {3295470, 11626046, 26464462, 44489196, 69491724}},
      {"11", "", 80, {2624080, 9458752, 20114688, 25372160, 56966176}},
      {"11", "-seg", 80, {2876848, 10113248, 22420896, 27678368, 62142656}},
      {"11", "-pose", 80, {2908507, 9948811, 20973273, 26230745, 58889881}},
      {"26", "", 80, {2572280, 10009784, 21896248, 26299704, 58993368}},
      {"26", "-seg", 80, {3126280, 11505800, 27112072, 31515528, 70693800}},
      {"26", "-pose", 80, {3747554, 11870498, 24344482, 28747938, 62914350}},
  };
  for (const auto& row : rows)
    for (size_t i = 0; i < row.parameters.size(); ++i) {
      const auto name = fmt::format("yolo{}{}{}", row.family, "nsmlx"[i], row.head);
      EXPECT_EQ(parameters_of(name, row.classes), row.parameters[i]) << name;
    }
}
