// Which record belongs to which split: by lists, by folders, or all to one.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/readers.h"

namespace hadal {
namespace {

struct NamedList {
  std::string split;
  int64_t file;
};

std::vector<NamedList> lists_in(const Layout& layout, std::string_view folder) {
  const auto& tree = layout.tree();
  for (const auto& place : {joined(folder, "ImageSets/Main"), joined(folder, "ImageSets"), std::string(folder)}) {
    std::vector<NamedList> found;
    for (const auto file : layout.files(".txt"))
      if (folder_of(tree.path(file)) == place)
        if (const auto split = split_called(stem_of(tree.path(file))); !split.empty()) found.push_back({split, file});
    if (!found.empty()) return found;
  }
  return {};
}

SceneSplit& split_of(SceneFiles& out, const std::string& name) {
  for (auto& split : out.splits)
    if (split.name == name) return split;
  return out.splits.emplace_back(SceneSplit{name, {}});
}

void sort_splits(SceneFiles& out) {
  const auto rank = [](const std::string& name) { return name == "train" ? 0 : name == "val" ? 1 : 2; };
  std::stable_sort(out.splits.begin(), out.splits.end(),
                   [&](const SceneSplit& a, const SceneSplit& b) { return rank(a.name) < rank(b.name); });
}

/// Files of records by stem; a list's line may be a path, then the longest fitting one counts.
class ByStem {
 public:
  explicit ByStem(const std::vector<SceneRecord>& records) : records_(records) {
    for (int64_t i = 0; i < std::ssize(records); ++i) map_[std::string(stem_of(records[i].path))].push_back(i);
  }
  int64_t find(const std::string& line) const {
    for (const auto& stem : {std::string(stem_of(line)), std::string(file_of(line))}) {
      const auto named = map_.find(stem);
      if (named == map_.end()) continue;
      if (named->second.size() == 1) return named->second[0];
      const auto tidy = tidy_path(line);
      for (const auto i : named->second)
        if (records_[i].path.ends_with(tidy) || tidy.ends_with(records_[i].path)) return i;
      return named->second[0];
    }
    return -1;
  }

 private:
  const std::vector<SceneRecord>& records_;
  std::unordered_map<std::string, std::vector<int64_t>> map_;
};

void split_by_lists(const Layout& layout, const std::vector<NamedList>& lists, std::vector<SceneRecord> records,
                    SceneFiles& out, FaultLog& log) {
  const auto& tree = layout.tree();
  const ByStem by_stem(records);
  std::vector<std::string> owner(records.size());
  for (const auto& [name, file] : lists) {
    auto& split = split_of(out, name);
    const auto lines = lines_of(tree.read(file));
    for (size_t n = 0; n < lines.size(); ++n) {
      // VOC's lists of a class have a second column.
      const auto line = lines[n].substr(0, lines[n].find_first_of(" \t"));
      const auto where = fmt::format("{} entry {}", tree.name(file), n + 1);
      const auto at = by_stem.find(line);
      if (at >= 0) {
        if (owner[at] == name) {
          log.add(Fault::picture_twice, where, fmt::format("{} stands here twice", line));
          continue;
        }
        if (!owner[at].empty())
          log.add(Fault::picture_in_two_splits, where, fmt::format("{} also belongs to {}", line, owner[at]));
        owner[at] = name;
        split.records.push_back(records[at]);
        continue;
      }
      const auto picture = layout.picture(stem_of(line), {});
      if (!picture) {
        log.add(Fault::picture_missing, where, fmt::format("there is no picture {}", line));
        continue;
      }
      log.add(Fault::labels_missing, tree.name(*picture), fmt::format("the list {} names it", tree.path(file)));
      SceneRecord empty;
      empty.picture = *picture, empty.path = tree.path(*picture);
      split.records.push_back(std::move(empty));
    }
  }
  for (size_t i = 0; i < records.size(); ++i)
    if (owner[i].empty() && records[i].picture >= 0)
      log.add(Fault::picture_orphan, tree.name(records[i].picture), "has labels, but no list names it");
}

}  // namespace

std::array<float, 4> box_around(const std::vector<std::vector<float>>& polygons) {
  std::array<float, 4> box = {INFINITY, INFINITY, -INFINITY, -INFINITY};
  for (const auto& polygon : polygons)
    for (size_t i = 0; i + 1 < polygon.size(); i += 2)
      for (size_t axis = 0; axis < 2; ++axis) {
        box[axis] = std::min(box[axis], polygon[i + axis]);
        box[axis + 2] = std::max(box[axis + 2], polygon[i + axis]);
      }
  return box[0] <= box[2] ? box : std::array<float, 4>{};
}

void split_records(const Layout& layout, std::string_view folder, std::vector<SceneRecord> records, SceneFiles& out,
                   FaultLog& log) {
  if (const auto lists = lists_in(layout, folder); !lists.empty()) {
    split_by_lists(layout, lists, std::move(records), out, log);
  } else {
    std::vector<std::string> names;
    for (const auto& record : records) names.push_back(split_of_path(record.path));
    const bool by_folder = std::any_of(names.begin(), names.end(), [](const auto& n) { return !n.empty(); });
    for (size_t i = 0; i < records.size(); ++i) {
      if (by_folder && names[i].empty()) {
        log.add(Fault::picture_orphan, layout.tree().root() + "/" + records[i].path,
                "lies in the folder of no split, unlike others");
        continue;
      }
      split_of(out, by_folder ? names[i] : "train").records.push_back(std::move(records[i]));
    }
  }
  sort_splits(out);
}

}  // namespace hadal
