#include "hadal/data/vision/coco_json.h"

#include <algorithm>
#include <unordered_set>

#include "hadal/io/file.h"
#include "hadal/io/json_scan.h"

namespace hadal {
namespace {

std::vector<double> read_numbers(JsonScanner& json, size_t expected = 0) {
  std::vector<double> out;
  out.reserve(expected);
  json.list([&] { out.push_back(json.number()); });
  return out;
}

std::vector<std::string> read_texts(JsonScanner& json) {
  std::vector<std::string> out;
  json.list([&] { out.push_back(json.text()); });
  return out;
}

CocoPicture read_picture(JsonScanner& json) {
  CocoPicture out;
  bool has_id = false;
  json.table([&](std::string_view key) {
    if (json.null()) return;
    if (key == "id") {
      out.id = json.integer(), has_id = true;
    } else if (key == "width" || key == "height") {
      const auto side = json.integer();
      if (side < 0) json.fail_here(fmt::format("a picture's {} is {}", key, side));
      (key == "width" ? out.width : out.height) = side;
    } else if (key == "file_name") {
      out.file_name = json.text();
    } else {
      json.skip();
    }
  });
  if (!has_id) json.fail_here("the picture that ends here has no \"id\"");
  return out;
}

CocoCategory read_category(JsonScanner& json) {
  CocoCategory out;
  bool has_id = false;
  json.table([&](std::string_view key) {
    if (json.null()) return;
    if (key == "id") {
      out.id = json.integer(), has_id = true;
    } else if (key == "name") {
      out.name = json.text();
    } else if (key == "supercategory") {
      out.supercategory = json.text();
    } else if (key == "keypoints") {
      out.keypoints = read_texts(json);
    } else if (key == "skeleton") {
      json.list([&] {
        std::vector<int64_t> bone;
        json.list([&] { bone.push_back(json.integer()); });
        if (bone.size() != 2) json.fail_here(fmt::format("a bone joins two keypoints, got {}", bone.size()));
        out.skeleton.push_back({bone[0], bone[1]});
      });
    } else {
      json.skip();
    }
  });
  if (!has_id) json.fail_here("the category that ends here has no \"id\"");
  return out;
}

void read_runs(JsonScanner& json, CocoSegmentation& out) {
  bool has_size = false, has_counts = false;
  json.table([&](std::string_view key) {
    if (key == "size") {
      std::vector<int64_t> size;
      json.list([&] { size.push_back(json.integer()); });
      if (size.size() != 2)
        json.fail_here(fmt::format("a mask's size is [height, width], got {} numbers", size.size()));
      out.height = size[0], out.width = size[1], has_size = true;
    } else if (key == "counts") {
      has_counts = true;
      if (json.peek() == '"') {
        out.compressed = json.text();
        if (out.compressed.empty()) json.fail_here("a mask has no runs");
        return;
      }
      json.list([&] {
        const auto run = json.integer();
        if (run < 0 || run > UINT32_MAX) json.fail_here(fmt::format("a run of {} pixels in a mask", run));
        out.counts.push_back(static_cast<uint32_t>(run));
      });
      if (out.counts.empty()) json.fail_here("a mask has no runs");
    } else {
      json.skip();
    }
  });
  if (!has_size || !has_counts) json.fail_here("the mask that ends here wants \"size\" and \"counts\"");
}

CocoSegmentation read_segmentation(JsonScanner& json) {
  CocoSegmentation out;
  if (json.peek() == '{') {
    read_runs(json, out);
  } else {
    json.list([&] {
      if (json.peek() != '[')
        json.fail_here("a segmentation is a list of polygons, [[x, y, x, y, ...], ...], or a mask");
      out.polygons.push_back(read_numbers(json, 32));
    });
  }
  return out;
}

struct Seen {
  bool image = false, category = false, score = false;
};

CocoAnnotation read_annotation(JsonScanner& json, Seen& seen, bool result) {
  CocoAnnotation out;
  json.peek();
  out.at = json.position();
  json.table([&](std::string_view key) {
    if (json.null()) return;
    if (key == "image_id") {
      seen.image = true, out.has_number = !result || json.peek() != '"';
      if (out.has_number)
        out.image_id = json.integer();
      else if (auto name = json.text(); out.picture.empty())
        out.picture = std::move(name);
    } else if (key == "file_name" && result) {
      out.picture = json.text();
    } else if (key == "category_id") {
      out.category_id = json.integer(), seen.category = true;
    } else if (key == "bbox") {
      std::array<double, 4> box{};
      size_t count = 0;
      json.list([&] {
        const auto value = json.number();
        if (count < 4) box[count] = value;
        ++count;
      });
      if (count != 0 && count != 4)
        json.fail_here(fmt::format("a bbox is [x, y, width, height], got {} numbers", count));
      if (count == 4) out.bbox = box;
    } else if (key == "score") {
      out.score = json.number(), seen.score = true;
    } else if (key == "id") {
      out.id = json.integer();
    } else if (key == "area") {
      out.area = json.number();
    } else if (key == "iscrowd") {
      out.iscrowd = json.flag();
    } else if (key == "ignore") {
      out.ignore = json.flag();
    } else if (key == "segmentation") {
      out.segmentation = read_segmentation(json);
    } else if (key == "keypoints") {
      out.keypoints = read_numbers(json, 51);
      if (out.keypoints.size() % 3 != 0)
        json.fail_here(fmt::format("keypoints are x, y, visibility each, got {} numbers", out.keypoints.size()));
    } else if (key == "num_keypoints") {
      out.num_keypoints = json.integer();
    } else {
      json.skip();
    }
  });
  if (!seen.image) json.fail_here("the annotation that ends here has no \"image_id\"");
  if (!seen.category) json.fail_here("the annotation that ends here has no \"category_id\"");
  return out;
}

// Growing moves all that is there: after some entries it is known how many about the text holds.
template <class T>
void make_room(std::vector<T>& entries, const JsonScanner& json, size_t begin, size_t size) {
  constexpr size_t kSome = 256;
  if (entries.size() == kSome) entries.reserve(kSome + kSome * (size - begin) / (json.position() - begin));
}

template <class T>
void expect_own_ids(const std::vector<T>& entries, const char* what, std::string_view name) {
  std::unordered_set<int64_t> seen;
  seen.reserve(entries.size());
  for (const auto& entry : entries)
    if (!seen.insert(entry.id).second) throw FileError(name, fmt::format("two {} have the id {}", what, entry.id));
}

}  // namespace

CocoTruth parse_coco_truth(std::string_view text, std::string_view name) {
  CocoTruth out;
  out.name = name;
  bool has_pictures = false, has_annotations = false;
  JsonScanner json(text, name);
  if (json.peek() == '[') json.fail_here("this is a list, as results are; the truth is a table with \"images\"");
  json.table([&](std::string_view key) {
    if (key == "images") {
      has_pictures = true;
      json.list([&] { out.pictures.push_back(read_picture(json)); });
    } else if (key == "categories") {
      json.list([&] { out.categories.push_back(read_category(json)); });
    } else if (key == "annotations") {
      has_annotations = true;
      const auto begin = json.position();
      json.list([&] {
        Seen seen;
        make_room(out.annotations, json, begin, text.size());
        out.annotations.push_back(read_annotation(json, seen, false));
        out.annotations.back().entry = out.annotations.size();
      });
    } else {
      json.skip();
    }
  });
  json.end();
  if (!has_pictures) throw FileError(name, "this is no truth of COCO's kind: it has no \"images\"");
  if (!has_annotations) throw FileError(name, "this is no truth of COCO's kind: it has no \"annotations\"");
  expect_own_ids(out.pictures, "pictures", name);
  expect_own_ids(out.categories, "categories", name);
  return out;
}

std::vector<CocoAnnotation> parse_coco_results(std::string_view text, std::string_view name) {
  std::vector<CocoAnnotation> out;
  JsonScanner json(text, name);
  if (json.peek() == '{')
    json.fail_here("this is a table, as the truth is; results are a list, [{\"image_id\": ...}, ...]");
  json.list([&] {
    Seen seen;
    make_room(out, json, 0, text.size());
    out.push_back(read_annotation(json, seen, true));
    out.back().entry = out.size();
    if (!seen.score) json.fail_here("the result that ends here has no \"score\"");
  });
  json.end();
  return out;
}

CocoTruth read_coco_truth(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_coco_truth(file.text(), path.string());
}

std::vector<CocoAnnotation> read_coco_results(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_coco_results(file.text(), path.string());
}

std::optional<Rle> coco_mask(const CocoSegmentation& segmentation, int64_t height, int64_t width,
                             std::string_view name) {
  if (segmentation.empty()) return {};
  if (!segmentation.polygons.empty()) return rle_from_polygons(segmentation.polygons, height, width, name);
  if (segmentation.height != height || segmentation.width != width)
    fail("{}: the mask is of a picture of {} x {} pixels, but the picture has {} x {}", name, segmentation.width,
         segmentation.height, width, height);
  if (!segmentation.compressed.empty()) return rle_from_string(segmentation.compressed, height, width, name);
  return rle_from_counts(segmentation.counts, height, width, name);
}

std::vector<int64_t> coco_numbers(const std::vector<std::string>& classes) {
  // Commas stand for the numbers that COCO never gave away, bars before Darknet's spelling.
  constexpr std::string_view kNames =
      "person,bicycle,car,motorcycle|motorbike,airplane|aeroplane,bus,train,truck,boat,traffic light,fire hydrant,,"
      "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,,backpack,umbrella,,,"
      "handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
      "tennis racket,bottle,,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,"
      "pizza,donut,cake,chair,couch|sofa,potted plant|pottedplant,bed,,dining table|diningtable,,,toilet,,"
      "tv|tvmonitor,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,,book,clock,vase,"
      "scissors,teddy bear,hair drier,toothbrush";
  std::vector<int64_t> out;
  int64_t number = 0;
  for (auto rest = kNames; !rest.empty();) {
    const auto word = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    ++number;
    if (word.empty()) continue;
    const auto bar = word.find('|');
    if (out.size() == classes.size()) return {};
    const auto& name = classes[out.size()];
    if (name != word.substr(0, bar) && (bar == std::string_view::npos || name != word.substr(bar + 1))) return {};
    out.push_back(number);
  }
  return out.size() == classes.size() ? out : std::vector<int64_t>{};
}

}  // namespace hadal
