#include "hadal/metrics/coco_cells.h"

#include <algorithm>
#include <atomic>

#include <ATen/Parallel.h>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"

namespace hadal {
namespace {

using Member = int64_t CocoObject::*;

std::vector<int64_t> values(const CocoEvaluation& evaluation, Member member) {
  std::vector<int64_t> out;
  for (const auto* objects : {&evaluation.truth(), &evaluation.found()})
    for (const auto& object : *objects)
      if (out.empty() || out.back() != object.*member) out.push_back(object.*member);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// Each object's place in `known`.
std::vector<uint32_t> places(const std::vector<CocoObject>& objects, Member member, const std::vector<int64_t>& known) {
  std::vector<uint32_t> out(objects.size());
  parallel_for(0, static_cast<int64_t>(objects.size()), 4096, [&](int64_t first, int64_t last) {
    size_t place = 0;
    for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i) {
      const auto value = objects[i].*member;
      if (known[place] != value)
        place = static_cast<size_t>(std::lower_bound(known.begin(), known.end(), value) - known.begin());
      out[i] = static_cast<uint32_t>(place);
    }
  });
  return out;
}

// Stable, by keys below `count`.
void sort_by(std::vector<uint32_t>& order, const std::vector<uint32_t>& keys, size_t count) {
  std::vector<uint32_t> begin(count + 1), out(order.size());
  for (const auto i : order) ++begin[keys[i] + 1];
  for (size_t k = 0; k < count; ++k) begin[k + 1] += begin[k];
  for (const auto i : order) out[begin[keys[i]]++] = i;
  order = std::move(out);
}

struct Sorted {
  std::vector<uint32_t> order, label, picture;

  Sorted(const std::vector<CocoObject>& objects, const std::vector<int64_t>& labels,
         const std::vector<int64_t>& pictures, CocoOrder how)
      : order(objects.size()),
        label(places(objects, &CocoObject::label, labels)),
        picture(places(objects, &CocoObject::picture, pictures)) {
    require(objects.size() < UINT32_MAX, "[coco] {} objects are too many at once", objects.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    if (how == CocoOrder::kPicturesByLabel) sort_by(order, label, labels.size());
    sort_by(order, picture, pictures.size());
    if (how == CocoOrder::kClasses) sort_by(order, label, labels.size());
  }
  uint64_t key(size_t place, bool by_label) const {
    if (place == order.size()) return UINT64_MAX;
    const auto i = order[place];
    return (by_label ? static_cast<uint64_t>(label[i]) << 32 : 0) | picture[i];
  }
};

}  // namespace

CocoCells coco_cells(const CocoEvaluation& evaluation, CocoOrder order) {
  CocoCells out;
  const bool by_label = order == CocoOrder::kClasses;
  const auto labels = values(evaluation, &CocoObject::label), pictures = values(evaluation, &CocoObject::picture);
  Sorted truth(evaluation.truth(), labels, pictures, order), found(evaluation.found(), labels, pictures, order);
  for (size_t t = 0, f = 0;;) {
    const auto key = std::min(truth.key(t, by_label), found.key(f, by_label));
    if (key == UINT64_MAX) break;
    CocoCell cell{static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(t), 0, static_cast<uint32_t>(f), 0};
    while (truth.key(t, by_label) == key) ++t;
    while (found.key(f, by_label) == key) ++f;
    cell.truth_end = static_cast<uint32_t>(t), cell.found_end = static_cast<uint32_t>(f);
    out.cells.push_back(cell);
  }
  const auto& objects = evaluation.found();
  parallel_for(0, static_cast<int64_t>(out.cells.size()), 256, [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i) {
      const auto& cell = out.cells[static_cast<size_t>(i)];
      std::stable_sort(found.order.begin() + cell.found_begin, found.order.begin() + cell.found_end,
                       [&](uint32_t a, uint32_t b) { return objects[a].score > objects[b].score; });
    }
  });
  out.truth = std::move(truth.order), out.found = std::move(found.order);
  out.labels = by_label ? labels : std::vector<int64_t>{0};
  return out;
}

void parallel_each(int64_t count, int64_t grain, const std::function<void(int64_t)>& body) {
  std::atomic<int64_t> next = 0;
  parallel_for(0, std::min<int64_t>(at::get_num_threads(), (count + grain - 1) / grain), 1, [&](int64_t, int64_t) {
    for (auto first = next.fetch_add(grain); first < count; first = next.fetch_add(grain))
      for (auto i = first; i < std::min(count, first + grain); ++i) body(i);
  });
}

}  // namespace hadal
