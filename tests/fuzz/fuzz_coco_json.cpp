#include "hadal/data/vision/coco_json.h"

#include "tests/fuzz/fuzz.h"

namespace {
/// A list is results, all else truth; masks are made of pictures of at most 300 x 300.
void read(std::string_view text) {
  const auto masks = [](const std::vector<hadal::CocoAnnotation>& annotations) {
    for (const auto& annotation : annotations) {
      const auto& segmentation = annotation.segmentation;
      const bool runs = segmentation.polygons.empty();
      const auto height = runs ? segmentation.height : 37, width = runs ? segmentation.width : 41;
      if (height > 300 || width > 300) continue;
      if (const auto mask = hadal::coco_mask(segmentation, height, width, "input"))
        (void)hadal::rle_from_polygons(hadal::rle_to_polygons(*mask), height, width);
    }
  };
  if (!text.empty() && text[0] == '[')
    masks(hadal::parse_coco_results(text, "input"));
  else
    masks(hadal::parse_coco_truth(text, "input").annotations);
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
