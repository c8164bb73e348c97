#include "hadal/data/vision/scenes/scene_check.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"
#include "hadal/data/vision/scenes/file_scenes.h"
#include "hadal/data/vision/scenes/keypoints.h"
#include "hadal/io/image.h"
#include "hadal/io/label_image.h"

namespace hadal {
namespace {

constexpr double kUneven = 100, kNarrow = 20;
constexpr int64_t kTiny = 8, kChunk = 64;

/// 128 bits of a file's or picture's bytes (FNV-1a in two lanes): enough to tell copies.
struct Print {
  uint64_t a = 0xcbf29ce484222325, b = 0x9ae16a3b2f90404f;
  bool operator==(const Print&) const = default;
};
Print print_of(const Tensor& image) {
  Print p;
  const auto* at = image.const_data_ptr<uint8_t>();
  for (const auto side : image.sizes()) p.a = (p.a ^ static_cast<uint64_t>(side)) * 0x100000001b3;
  for (int64_t i = 0; i < image.numel(); ++i) {
    p.a = (p.a ^ at[i]) * 0x100000001b3;
    p.b = (p.b + at[i]) * 0x9e3779b97f4a7c15;
    p.b ^= p.b >> 29;
  }
  return p;
}
struct PrintHash {
  size_t operator()(const Print& p) const { return p.a ^ p.b; }
};

std::string name_in(const SceneFiles& files, const SceneRecord& record) {
  return record.picture >= 0 ? files.tree.name(record.picture) : files.tree.root() + "/" + record.path;
}

/// Where a picture's labels stand, for messages.
std::string labels_name(const SceneFiles& files, const SceneRecord& record) {
  return record.labels >= 0 ? files.tree.name(record.labels) : name_in(files, record);
}

void check_size(const SceneRecord& record, const std::string& name, int64_t width, int64_t height, FaultLog& log) {
  if (record.width > 0 && record.height > 0 && (record.width != width || record.height != height))
    log.add(Fault::size_wrong, name,
            fmt::format("the labels say {} x {}, the picture is {} x {}", record.width, record.height, width, height));
  const auto shorter = std::min(width, height), longer = std::max(width, height);
  if (shorter < kTiny) log.add(Fault::picture_tiny, name, fmt::format("is {} x {} pixels", width, height));
  if (static_cast<double>(longer) > kNarrow * static_cast<double>(shorter))
    log.add(Fault::picture_narrow, name, fmt::format("is {} x {} pixels", width, height));
}

/// The objects that a label picture holds; nothing where it cannot be read.
int64_t check_label_picture(const SceneFiles& files, const SceneRecord& record, int64_t width, int64_t height,
                            FaultLog& log) {
  const auto name = files.tree.name(record.mask);
  try {
    const auto numbers = decode_label_image(files.tree.read(record.mask), name);
    if (numbers.size(0) != height || numbers.size(1) != width) {
      log.add(Fault::mask_size, name,
              fmt::format("is {} x {}, its picture {} x {}", numbers.size(1), numbers.size(0), width, height));
      return 0;
    }
    return instances_of(numbers).boxes.size(0);
  } catch (const Error& error) {
    log.add(Fault::labels_unreadable, name, error.what());
    return 0;
  }
}

class WholeCheck {
 public:
  WholeCheck(const SceneFiles& files, FaultLog& log, const CheckProgress& progress)
      : files_(files), log_(log), progress_(progress) {}

  std::vector<SplitSummary> run() {
    for (const auto& split : files_.splits) all_ += std::ssize(split.records);
    std::vector<SplitSummary> out;
    for (const auto& split : files_.splits) {
      SplitSummary summary{.name = split.name, .pictures = std::ssize(split.records)};
      summary.classes.resize(files_.about.classes.size());
      for (int64_t first = 0; first < summary.pictures; first += kChunk) {
        const auto last = std::min(first + kChunk, summary.pictures);
        parallel_for(first, last, 1, [&](int64_t from, int64_t to) {
          for (auto i = from; i < to; ++i) picture(split, split.records[i], summary);
        });
      }
      out.push_back(std::move(summary));
    }
    copies();
    return out;
  }

 private:
  void picture(const SceneSplit& split, const SceneRecord& record, SplitSummary& summary) {
    const auto name = name_in(files_, record);
    int64_t width = 0, height = 0, found = std::ssize(record.objects);
    if (record.picture >= 0) {
      try {
        const auto image = decode_image(files_.tree.read(record.picture), name);
        height = image.size(0), width = image.size(1);
        check_size(record, name, width, height, log_);
        remember(print_of(image), split.name, record);
      } catch (const Error& error) {
        log_.add(Fault::picture_broken, name, error.what());
      }
    }
    if (record.mask >= 0 && width > 0) found = check_label_picture(files_, record, width, height, log_);
    if (width == 0) width = record.width, height = record.height;
    check_record(record, files_.about, labels_name(files_, record), width, height, log_);
    if (found == 0) log_.add(Fault::picture_empty, name, "holds no object");
    std::lock_guard lock(mutex_);
    summary.objects += found, summary.empty += found == 0;
    if (record.mask >= 0 && !summary.classes.empty()) summary.classes[0] += found;
    for (const auto& object : record.objects) {
      summary.pointed += !object.keypoints.empty();
      summary.posed += box_of_keypoints(object.keypoints).has_value();
    }
    for (const auto& object : record.objects)
      if (object.crowd)
        ++summary.crowds;
      else if (object.label >= 0 && object.label < std::ssize(summary.classes))
        ++summary.classes[object.label];
    ++done_;
    if (progress_) progress_(done_, all_);
  }
  void remember(const Print& print, const std::string& split, const SceneRecord& record) {
    std::lock_guard lock(mutex_);
    prints_[print].push_back({split, record.picture});
  }
  void copies() {
    for (auto& [print, places] : prints_) {
      std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) { return a.picture < b.picture; });
      places.erase(std::unique(places.begin(), places.end(),
                               [](const Place& a, const Place& b) { return a.picture == b.picture; }),
                   places.end());
      for (size_t i = 1; i < places.size(); ++i) {
        const bool across = std::any_of(places.begin(), places.begin() + static_cast<int64_t>(i),
                                        [&](const Place& p) { return p.split != places[i].split; });
        log_.add(across ? Fault::copy_in_two_splits : Fault::picture_copy, files_.tree.name(places[i].picture),
                 fmt::format("in {}; shows the same as {} in {}", places[i].split, files_.tree.path(places[0].picture),
                             places[0].split));
      }
    }
  }

  struct Place {
    std::string split;
    int64_t picture;
  };
  const SceneFiles& files_;
  FaultLog& log_;
  const CheckProgress& progress_;
  std::mutex mutex_;
  int64_t done_ = 0, all_ = 0;
  std::unordered_map<Print, std::vector<Place>, PrintHash> prints_;
};

/// What sums over a split tell.
void check_sums(const SceneReport& report, FaultLog& log) {
  for (const auto& split : report.splits) {
    if (split.pictures == 0) continue;  // said when it was read
    if (split.objects == 0) {
      log.add(Fault::split_without_objects, report.root,
              fmt::format("the split {} holds no object at all", split.name));
      continue;
    }
    if (split.pointed > 0 && split.posed == 0)
      log.add(Fault::keypoints_unseen, report.root,
              fmt::format("all keypoints of the split {} are hidden or missing", split.name));
    if (&split != &report.splits[0]) continue;
    int64_t most = 0, least = split.objects;
    size_t common = 0, rare = 0;
    for (size_t c = 0; c < split.classes.size(); ++c) {
      const auto count = split.classes[c];
      if (count == 0)
        log.add(Fault::class_unused, report.root,
                fmt::format("{}: class \"{}\" has no object", split.name, report.about.classes[c]));
      if (count > most) most = count, common = c;
      if (count > 0 && count < least) least = count, rare = c;
    }
    if (static_cast<double>(most) > kUneven * static_cast<double>(least))
      log.add(Fault::classes_uneven, report.root,
              fmt::format("{}: {} of \"{}\", {} of \"{}\"", split.name, most, report.about.classes[common], least,
                          report.about.classes[rare]));
  }
}

void take_faults(const FaultLog& log, SceneReport& out) {
  out.faults = log.list();
  for (const auto& kind : fault_kinds())
    if (const auto count = log.count(kind.fault); count > 0) out.sums.push_back({kind.fault, count});
  std::stable_sort(out.sums.begin(), out.sums.end(),
                   [](const auto& a, const auto& b) { return kind_of(a.fault).weight > kind_of(b.fault).weight; });
}

int64_t count_of(const SceneReport& report, FaultWeight least, FaultWeight most) {
  int64_t total = 0;
  for (const auto& [fault, count] : report.sums)
    if (const auto weight = kind_of(fault).weight; weight >= least && weight <= most) total += count;
  return total;
}

SceneKind kind_called(const std::string& name, const SceneFilesConfig& config) {
  std::vector<std::string> known = {"auto"};
  for (const auto kind :
       {SceneKind::coco, SceneKind::yolo, SceneKind::voc, SceneKind::labelmask, SceneKind::deeplabcut}) {
    if (name == name_of(kind)) return kind;
    known.push_back(name_of(kind));
  }
  if (name != "auto") fail_usage("unknown kind of data \"{}\"{}", name, suggest(name, known));
  return find_scene_kind(config);
}

}  // namespace

int64_t SceneReport::errors() const { return count_of(*this, FaultWeight::error, FaultWeight::fatal); }
int64_t SceneReport::warnings() const { return count_of(*this, FaultWeight::warning, FaultWeight::warning); }
bool SceneReport::usable() const { return count_of(*this, FaultWeight::fatal, FaultWeight::fatal) == 0; }

SceneReport check_scenes(const std::string& kind, const SceneFilesConfig& config, const CheckProgress& progress) {
  FaultLog log;
  const auto found = kind_called(kind, config);
  const auto read = std::make_shared<const SceneFiles>(read_scene_files(found, config, log));
  const auto& files = *read;
  SceneReport report;
  report.files = read;
  report.kind = name_of(found), report.root = files.tree.root(), report.about = files.about;
  report.splits = WholeCheck(files, log, progress).run();
  check_sums(report, log);
  take_faults(log, report);
  return report;
}

SceneReport quick_check(const SceneSource& source) {
  SceneReport report;
  report.kind = source.kind, report.about = source.about;
  if (!source.files) return report;
  const auto& files = *source.files;
  report.files = source.files;
  FaultLog log;
  report.root = files.tree.root();
  for (const auto& fault : source.faults->list()) log.add(fault.fault, fault.where, fault.what);
  for (const auto& split : files.splits) {
    SplitSummary summary{split.name, std::ssize(split.records), 0, 0, 0, {}};
    summary.classes.resize(files.about.classes.size());
    for (const auto& record : split.records) {
      check_record(record, files.about, labels_name(files, record), record.width, record.height, log);
      summary.objects += std::ssize(record.objects), summary.empty += record.objects.empty() && record.mask < 0;
      for (const auto& object : record.objects) summary.crowds += object.crowd, ++summary.classes.at(object.label);
    }
    report.splits.push_back(std::move(summary));
  }
  // Label pictures are not counted without reading them.
  const bool counted = std::none_of(files.splits.begin(), files.splits.end(), [](const SceneSplit& s) {
    return std::any_of(s.records.begin(), s.records.end(), [](const SceneRecord& r) { return r.mask >= 0; });
  });
  if (counted) check_sums(report, log);
  take_faults(log, report);
  return report;
}

std::string describe(const SceneReport& report, int64_t most) {
  std::string out = fmt::format("{}: {}, {} classes", report.root, report.kind, report.about.classes.size());
  if (!report.about.keypoints.empty()) out += fmt::format(", {} keypoints", report.about.keypoints.size());
  if (report.about.masks) out += ", masks";
  out += "\n";
  for (const auto& split : report.splits) {
    out += fmt::format("  {:<6} {} pictures, {} objects", split.name, split.pictures, split.objects);
    if (split.empty > 0) out += fmt::format(", {} pictures without", split.empty);
    if (split.crowds > 0) out += fmt::format(", {} crowds", split.crowds);
    out += "\n";
    for (size_t c = 0; c < split.classes.size() && c < 20; ++c)
      out += fmt::format("         {:<20} {}\n", report.about.classes[c], split.classes[c]);
    if (split.classes.size() > 20) out += fmt::format("         and {} classes more\n", split.classes.size() - 20);
  }
  constexpr const char* kWeights[] = {"note", "warning", "error", "error"};
  for (const auto& [fault, count] : report.sums) {
    const auto& kind = kind_of(fault);
    out += fmt::format("{} {} ({}): {}\n", kWeights[static_cast<int>(kind.weight)], kind.name, count, kind.about);
    int64_t shown = 0;
    for (const auto& f : report.faults) {
      if (f.fault != fault) continue;
      if (++shown > most) break;
      out += fmt::format("  {}: {}\n", f.where, f.what);
    }
    if (count > most) out += fmt::format("  and {} more\n", count - most);
  }
  const auto errors = report.errors(), warnings = report.warnings();
  out += errors + warnings == 0 ? "nothing wrong\n" : fmt::format("{} errors, {} warnings\n", errors, warnings);
  return out;
}

}  // namespace hadal
