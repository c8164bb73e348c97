#include "hadal/metrics/coco_cells.h"

#include <algorithm>
#include <array>
#include <atomic>

#include <ATen/Parallel.h>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"

namespace hadal {
namespace {

using Member = int64_t CocoObject::*;
using Lists = std::array<const std::vector<CocoObject>*, 2>;

constexpr int64_t kTable = 1 << 20;  // numbers that lie as close together as that are looked up in a table

// The different values of a member, rising, and the place of each.
class Values {
 public:
  Values(const Lists& lists, Member member) {
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (const auto* objects : lists)
      for (const auto& object : *objects) low = std::min(low, object.*member), high = std::max(high, object.*member);
    if (low > high) return;
    if (static_cast<uint64_t>(high) - static_cast<uint64_t>(low) < static_cast<uint64_t>(kTable)) {
      low_ = low;
      table_.resize(static_cast<size_t>(high - low + 1));
      for (const auto* objects : lists)
        for (const auto& object : *objects) table_[static_cast<size_t>(object.*member - low)] = 1;
      for (size_t i = 0; i < table_.size(); ++i)
        if (table_[i]) table_[i] = static_cast<uint32_t>(all.size()), all.push_back(low + static_cast<int64_t>(i));
      return;
    }
    for (const auto* objects : lists)
      for (const auto& object : *objects)
        if (all.empty() || all.back() != object.*member) all.push_back(object.*member);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
  }

  uint32_t place(int64_t value) const {
    if (!table_.empty()) return table_[static_cast<size_t>(value - low_)];
    return static_cast<uint32_t>(std::lower_bound(all.begin(), all.end(), value) - all.begin());
  }

  std::vector<int64_t> all;

 private:
  int64_t low_ = 0;
  std::vector<uint32_t> table_;
};

std::vector<uint32_t> places(const std::vector<CocoObject>& objects, Member member, const Values& values) {
  std::vector<uint32_t> out(objects.size());
  parallel_for(0, static_cast<int64_t>(objects.size()), 4096, [&](int64_t first, int64_t last) {
    for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i)
      out[i] = values.place(objects[i].*member);
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

  Sorted(const std::vector<CocoObject>& objects, const Values& labels, const Values& pictures, CocoOrder how)
      : order(objects.size()),
        label(places(objects, &CocoObject::label, labels)),
        picture(places(objects, &CocoObject::picture, pictures)) {
    require(objects.size() < UINT32_MAX, "[coco] {} objects are too many at once", objects.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    if (how == CocoOrder::kPicturesByLabel) sort_by(order, label, labels.all.size());
    sort_by(order, picture, pictures.all.size());
    if (how == CocoOrder::kClasses) sort_by(order, label, labels.all.size());
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
  const Lists lists = {&evaluation.truth(), &evaluation.found()};
  const Values labels(lists, &CocoObject::label), pictures(lists, &CocoObject::picture);
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
  out.labels = by_label ? labels.all : std::vector<int64_t>{0};
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
