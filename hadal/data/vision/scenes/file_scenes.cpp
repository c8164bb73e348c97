#include "hadal/data/vision/scenes/file_scenes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/scene_view.h"
#include "hadal/io/label_image.h"

namespace hadal {
namespace {

constexpr int64_t kMostMaskBytes = int64_t{1} << 32;

/// Decoded, shrunk where its longer side is above `longest`.
Tensor decode_shrunk(const std::string& bytes, const std::string& name, const ImageInfo& info, int64_t longest) {
  const auto size = shrunk_size({info.height, info.width}, longest);
  if (size == ImageSize{info.height, info.width}) return decode_image(bytes, name);
  const auto region = decode_region(bytes, name, {0, 0, info.width, info.height}, size.width, size.height);
  return resample(region.image, {region.left, region.top, region.width, region.height},
                  {0, 0, region.image.size(1), region.image.size(0)}, size.height, size.width);
}

/// Not torch::zeros: large ones are filled by all of LibTorch's threads, in the way of a loader's own.
Tensor empty_masks(int64_t count, ImageSize size, const std::string& name) {
  if (count > kMostMaskBytes / std::max<int64_t>(1, size.height * size.width))
    throw FileError(
        name,
        fmt::format("{} masks of {} x {} pixels would take {:.1f} GB; a smaller size= helps", count, size.height,
                    size.width, static_cast<double>(count) * static_cast<double>(size.height * size.width) / 1e9));
  auto out = torch::empty({count, size.height, size.width}, torch::kUInt8);
  std::memset(out.data_ptr(), 0, static_cast<size_t>(out.numel()));
  return out;
}

/// A mask for every instance, at the size of the picture.
Tensor split_instances(const Tensor& numbered, int64_t count, ImageSize size, const std::string& name) {
  auto masks = empty_masks(count, size, name);
  const auto height = numbered.size(0), width = numbered.size(1), area = size.height * size.width;
  const auto* from = numbered.const_data_ptr<int32_t>();
  auto* to = masks.data_ptr<uint8_t>();
  for (int64_t y = 0; y < size.height; ++y) {
    const auto* row = from + (2 * y + 1) * height / (2 * size.height) * width;
    for (int64_t x = 0; x < size.width; ++x)
      if (const auto number = row[(2 * x + 1) * width / (2 * size.width)]; number > 0)
        to[(number - 1) * area + y * size.width + x] = 1;
  }
  return masks;
}

SceneTruth truth_of(const Instances& found, int64_t width, int64_t height) {
  const auto count = found.boxes.size(0);
  return {width,     height, found.boxes, torch::zeros({count}, torch::kInt64), {}, torch::zeros({count}, torch::kBool),
          found.area};
}

/// What an object without a mask gets among ones that have it: its box's rectangle, where it lies in the picture.
void fill_box(Tensor mask, const float* box) {
  const auto edge = [](float v, int64_t most) { return std::clamp<int64_t>(std::lround(v), 0, most); };
  const auto height = mask.size(0), width = mask.size(1);
  mask.slice(0, edge(box[1], height), edge(box[3], height)).slice(1, edge(box[0], width), edge(box[2], width)).fill_(1);
}

}  // namespace

FileScenes::FileScenes(std::shared_ptr<const SceneFiles> files, const std::string& split, int64_t cache_bytes)
    : files_(std::move(files)), cache_bytes_(cache_bytes) {
  split_ = files_->find(split);
  if (!files_->divided && !files_->splits.empty()) split_ = &files_->splits[0];
  if (!split_) {
    std::vector<std::string> names;
    for (const auto& s : files_->splits) names.push_back(s.name);
    fail_usage("{} has no split {}; it has {}", files_->tree.root(), split,
               names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  }
  if (cache_bytes_ > 0) cache_ = std::make_unique<std::atomic<const Kept*>[]>(split_->records.size());
}

FileScenes::~FileScenes() {
  if (cache_)
    for (size_t i = 0; i < split_->records.size(); ++i) delete cache_[i].load();
}

std::string FileScenes::name(int64_t index) const {
  const auto& r = record(index);
  return r.picture >= 0 ? files_->tree.name(r.picture) : joined_name(files_->tree.root(), r.path);
}

int64_t FileScenes::picture_id(int64_t index) const {
  return record(index).id > 0 || !files_->about.categories.empty() ? record(index).id : index + 1;
}

int64_t FileScenes::category_id(int64_t label) const {
  const auto& numbers = files_->about.categories;
  return numbers.empty() ? label + 1 : numbers.at(label);
}

FileScenes::Kept FileScenes::picture(int64_t index, int64_t longest) const {
  if (cache_)
    if (const auto* kept = cache_[index].load(std::memory_order_acquire); kept && kept->longest == longest)
      return *kept;
  const auto& r = record(index);
  if (r.picture < 0) throw FileError(name(index), "the picture is not there");
  const auto bytes = files_->tree.read(r.picture);
  const auto info = probe_image(bytes, name(index));
  Kept made{decode_shrunk(bytes, name(index), info, longest), longest, info.width, info.height, {}};
  if (r.mask >= 0) made.instances = instances(index, info.width, info.height);
  if (!cache_) return made;
  // Two threads may decode the same picture at once; the first to store it wins.
  const auto size = made.image.numel() + (r.mask >= 0 ? 4 * made.width * made.height : 0);
  if (cached_bytes_.fetch_add(size) + size <= cache_bytes_) {
    auto kept = std::make_unique<const Kept>(made);
    const Kept* none = nullptr;
    if (cache_[index].compare_exchange_strong(none, kept.get(), std::memory_order_acq_rel)) {
      (void)kept.release();
      return made;
    }
  }
  cached_bytes_.fetch_sub(size);
  return made;
}

Instances FileScenes::instances(int64_t index, int64_t width, int64_t height) const {
  const auto mask = record(index).mask;
  const auto numbers = decode_label_image(files_->tree.read(mask), files_->tree.name(mask));
  if (numbers.size(0) != height || numbers.size(1) != width)
    throw FileError(files_->tree.name(mask),
                    fmt::format("is {} x {}, its picture {} x {}", numbers.size(0), numbers.size(1), height, width));
  return instances_of(numbers);
}

Scene FileScenes::get(int64_t index, const SceneView& view) const {
  const auto& r = record(index);
  const auto kept = picture(index, view.longest);
  const auto size = size_of(kept.image);
  Scene scene;
  scene.image = kept.image;
  if (r.mask >= 0) {
    const auto& found = kept.instances;
    scene.boxes = scaled_boxes(found.boxes, {kept.height, kept.width}, size);
    scene.area = found.area;
    const auto count = found.boxes.size(0);
    scene.labels = torch::zeros({count}, torch::kInt64);
    scene.crowd = torch::zeros({count}, torch::kBool);
    if (view.masks) scene.masks = split_instances(found.numbered, count, size, name(index));
    return scene;
  }
  std::vector<int64_t> objects;
  auto truth = truth_of(r, files_->about, kept.width, kept.height, &objects);
  scene.boxes = scaled_boxes(truth.boxes, {kept.height, kept.width}, size);
  scene.labels = truth.labels, scene.crowd = truth.crowd, scene.area = truth.area;
  scene.keypoints = scaled_keypoints(truth.keypoints, {kept.height, kept.width}, size);
  if (view.masks && files_->about.masks) {
    scene.masks = empty_masks(std::ssize(objects), size, name(index));
    for (size_t n = 0; n < objects.size(); ++n) {
      const auto& object = r.objects[objects[n]];
      auto mask = scene.masks[static_cast<int64_t>(n)];
      if (!object.mask.empty()) {
        mask.copy_(mask_of(object, r.relative, kept.height, kept.width, size.height, size.width, name(index)));
        continue;
      }
      fill_box(mask, scene.boxes.const_data_ptr<float>() + 4 * n);
    }
  }
  return scene;
}

FileScenes::Kept FileScenes::picture_part(int64_t index, const PixelBox& box) const {
  const auto* kept = cache_ ? cache_[index].load(std::memory_order_acquire) : nullptr;
  if (kept && kept->longest == 0) return {crop(kept->image, box), 0, kept->width, kept->height, kept->instances};
  const auto& r = record(index);
  if (r.picture < 0) throw FileError(name(index), "the picture is not there");
  const auto bytes = files_->tree.read(r.picture);
  const auto info = probe_image(bytes, name(index));
  if (r.width > 0 && (r.width != info.width || r.height != info.height))
    throw FileError(name(index), fmt::format("is {} x {}, its labels say {} x {}: it cannot be cut into tiles",
                                             info.width, info.height, r.width, r.height));
  if (r.mask >= 0 || cached_bytes_ + 3 * info.width * info.height <= cache_bytes_) {
    auto whole = picture(index, 0);
    whole.image = crop(whole.image, box);
    return whole;
  }
  const auto region = decode_region(bytes, name(index), box);
  const PixelBox in{std::lround(region.left), std::lround(region.top), box.width, box.height};
  return {crop(region.image, in), 0, info.width, info.height, {}};
}

Scene FileScenes::part(int64_t index, const PixelBox& box, const Tensor& rows, bool masks) const {
  const auto& r = record(index);
  const auto kept = picture_part(index, box);
  std::vector<int64_t> objects;
  const auto truth = r.mask >= 0 ? truth_of(kept.instances, kept.width, kept.height)
                                 : truth_of(r, files_->about, kept.width, kept.height, &objects);
  const auto left = static_cast<double>(box.left), top = static_cast<double>(box.top);
  Scene scene;
  scene.image = kept.image;
  scene.boxes = truth.boxes.index_select(0, rows) - torch::tensor({left, top, left, top}, torch::kFloat32);
  scene.labels = truth.labels.index_select(0, rows), scene.crowd = truth.crowd.index_select(0, rows);
  if (truth.keypoints.defined())
    scene.keypoints = truth.keypoints.index_select(0, rows) - torch::tensor({left, top, 0.0}, torch::kFloat32);
  if (masks && files_->about.masks) {
    const auto here = [&](const Tensor& whole) {
      return whole.slice(0, box.top, box.top + box.height).slice(1, box.left, box.left + box.width);
    };
    scene.masks = empty_masks(rows.size(0), size_of(scene.image), name(index));
    for (int64_t n = 0; n < rows.size(0); ++n) {
      const auto row = rows.const_data_ptr<int64_t>()[n];
      auto mask = scene.masks[n];
      if (r.mask >= 0)
        mask.copy_(here(kept.instances.numbered).eq(row + 1));
      else if (const auto& object = r.objects[objects[row]]; !object.mask.empty())
        mask.copy_(here(mask_of(object, r.relative, kept.height, kept.width, kept.height, kept.width, name(index))));
      else
        fill_box(mask, scene.boxes.const_data_ptr<float>() + 4 * n);
    }
  }
  return crop(scene, {0, 0, box.width, box.height});  // cut at the edges, boxes tight around what is left of masks
}

SceneTruth FileScenes::truth(int64_t index) const {
  const auto& r = record(index);
  if (r.mask >= 0) {
    const auto numbers = decode_label_image(files_->tree.read(r.mask), files_->tree.name(r.mask));
    return truth_of(instances_of(numbers), numbers.size(1), numbers.size(0));
  }
  if (r.width > 0 && r.height > 0) return truth_of(r, files_->about, r.width, r.height);
  if (cache_)
    if (const auto* kept = cache_[index].load(std::memory_order_acquire))
      return truth_of(r, files_->about, kept->width, kept->height);
  if (r.picture < 0) throw FileError(name(index), "the picture is not there");
  const auto info = probe_image(files_->tree.read(r.picture), name(index));
  return truth_of(r, files_->about, info.width, info.height);
}

Tensor FileScenes::labels(int64_t index) const {
  const auto& r = record(index);
  if (r.mask >= 0) return truth(index).labels;
  // Without a size no box is cut: enough for counts, and no file is opened for it.
  const auto side = int64_t{1} << 24;
  return r.width > 0 ? truth(index).labels : truth_of(r, files_->about, side, side).labels;
}

}  // namespace hadal
