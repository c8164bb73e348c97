#include <algorithm>

#include "hadal/models/detection/dfine_decoder.h"
#include "hadal/models/detection/dfine_train.h"
#include "hadal/ops/boxes.h"

namespace hadal {

DfineNoise noisy_objects(const std::vector<PictureTargets>& truth, const DfineConfig& config, int64_t queries) {
  int64_t most = 0;
  for (const auto& picture : truth) most = std::max(most, picture.labels.size(0));
  if (config.denoising == 0 || most == 0) return {};
  const auto groups = std::max<int64_t>(config.denoising / most, 1), count = 2 * most * groups;
  const auto batch = std::ssize(truth);
  const auto device = truth[0].boxes.device();
  auto labels = torch::full({batch, most}, config.classes, torch::kInt32).to(device);
  auto boxes = torch::zeros({batch, most, 4}, torch::kFloat32).to(device);
  auto real = torch::zeros({batch, most}, torch::kBool).to(device);
  for (int64_t i = 0; i < batch; ++i) {
    const auto& picture = truth[static_cast<size_t>(i)];
    labels[i].slice(0, 0, picture.labels.size(0)).copy_(picture.labels);
    boxes[i].slice(0, 0, picture.labels.size(0)).copy_(picture.boxes);
    real[i].slice(0, 0, picture.labels.size(0)).fill_(true);
  }
  labels = labels.repeat({1, 2 * groups});
  boxes = boxes.repeat({1, 2 * groups, 1});
  real = real.repeat({1, 2 * groups});
  auto far = torch::zeros({2 * most, 1}, boxes.options());  // the second half of a group: no object is that far off
  far.slice(0, most).fill_(1);
  far = far.repeat({groups, 1});

  if (config.label_noise > 0) {
    const auto other = torch::rand_like(labels, boxes.options()) < config.label_noise * 0.5;
    const auto drawn = torch::randint_like(labels, 0, config.classes);
    labels = torch::where(other.logical_and(real), drawn, labels);
  }
  if (config.box_noise > 0) {
    const auto half = boxes.narrow(2, 2, 2).repeat({1, 1, 2}) * 0.5 * config.box_noise;
    const auto sign = torch::randint_like(boxes, 0, 2) * 2 - 1;
    const auto part = (torch::rand_like(boxes) + far) * sign;
    boxes = cxcywh_from_xyxy((xyxy_from_cxcywh(boxes) + part * half).clamp(0, 1));
  }
  DfineNoise out;
  out.labels = labels.to(torch::kInt64);
  out.places = logit_of_share(boxes);
  out.groups = groups;
  out.count = count;
  // Noise would give the objects away to the queries, and one group to another.
  const auto group = torch::arange(count, torch::kInt64).div(2 * most, "floor");
  out.mask = torch::ones({count + queries, count + queries}, torch::kBool);
  out.mask.slice(0, count).slice(1, 0, count).fill_(false);
  out.mask.slice(0, 0, count).slice(1, 0, count).copy_(group.unsqueeze(1) == group.unsqueeze(0));
  out.mask = out.mask.to(device);
  for (const auto& picture : truth) {
    const auto own = torch::arange(picture.labels.size(0), torch::kInt64);
    const auto start = torch::arange(groups, torch::kInt64) * (2 * most);
    out.objects.push_back((start.unsqueeze(1) + own).flatten().to(device));
  }
  return out;
}

}  // namespace hadal
