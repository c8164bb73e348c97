#include "hadal/data/sound/sound_folder.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <optional>

namespace hadal {
namespace {

const std::map<std::string, std::string> kSplits = {{"train", "train"}, {"training", "train"}, {"val", "val"},
                                                    {"valid", "val"},   {"validation", "val"}, {"test", "test"},
                                                    {"testing", "test"}};

std::string first_folder(const std::string& path) {
  const auto slash = path.find('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::optional<std::string> split_called(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto found = kSplits.find(name);
  return found == kSplits.end() ? std::nullopt : std::optional(found->second);
}

struct Clip {
  int64_t file;
  std::string path;  // below the folders passed through
};

bool all_in_folders(const std::vector<Clip>& clips, int depth) {
  return std::all_of(clips.begin(), clips.end(),
                     [&](const Clip& clip) { return std::count(clip.path.begin(), clip.path.end(), '/') >= depth; });
}

/// Past folders that hold all there is and are no class: an archive's own.
void pass_leading(std::vector<Clip>& clips) {
  while (all_in_folders(clips, 2)) {
    const auto top = first_folder(clips[0].path);
    const bool common =
        std::all_of(clips.begin(), clips.end(), [&](const Clip& clip) { return first_folder(clip.path) == top; });
    if (!common || split_called(top)) return;
    for (auto& clip : clips) clip.path.erase(0, top.size() + 1);
  }
}

/// Another order than the files' own, in which neighbours are often alike; the same on every machine.
uint64_t scattered(const std::string& path) {
  uint64_t value = 0xCBF29CE484222325;
  for (const unsigned char byte : path) value = (value ^ byte) * 0x100000001B3;
  value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD;
  return value ^ value >> 33;
}

}  // namespace

Fields<SoundFolderConfig> SoundFolderConfig::fields() {
  using C = SoundFolderConfig;
  return {{"path", &C::path, "folder or archive: [SPLIT/]CLASS/clip.wav; $DATA is HADAL_DATA", file_path()},
          {"length", &C::length, "steps of the spectrogram that the model sees; shorter ones are padded", at_least(1)},
          {"val", &C::val, "share of each class for the val split, where folders do not say", from_below(0, 1)},
          {"test", &C::test, "share of each class for the test split, where folders do not say", from_below(0, 1)},
          {"mel", &C::mel, "the spectrogram"}};
}

void SoundFolderConfig::validate() const {
  mel.validate();
  require(val + test < 1, "[sound_folder] val ({}) and test ({}) leave nothing to train on", val, test);
}

std::vector<SoundPlace> sounds_in_folders(const FileTree& tree, const SoundFolderConfig& config) {
  std::vector<Clip> clips;
  for (int64_t i = 0; i < tree.size(); ++i)
    if (is_sound(tree.path(i))) clips.push_back({i, tree.path(i)});
  if (clips.empty()) return {};
  pass_leading(clips);
  for (const auto& [file, path] : clips)
    if (first_folder(path).empty())
      throw FileError(tree.name(file), "lies in no class folder; expected [SPLIT/]CLASS/clip.wav, such as dog/1.wav");
  const bool divided = all_in_folders(clips, 2) && std::all_of(clips.begin(), clips.end(), [](const Clip& clip) {
                         return split_called(first_folder(clip.path)).has_value();
                       });
  std::vector<SoundPlace> out;
  std::map<std::string, std::vector<size_t>> by_class;
  for (const auto& [file, path] : clips) {
    const auto top = first_folder(path);
    const auto label = divided ? first_folder(path.substr(top.size() + 1)) : top;
    out.push_back({file, label, divided ? *split_called(top) : "train"});
    by_class[label].push_back(out.size() - 1);
  }
  if (divided) return out;
  for (auto& [label, places] : by_class) {
    std::sort(places.begin(), places.end(), [&](size_t a, size_t b) {
      return std::pair(scattered(clips[a].path), a) < std::pair(scattered(clips[b].path), b);
    });
    const auto count = static_cast<double>(places.size());
    const auto test = static_cast<size_t>(std::lround(count * config.test)),
               held = test + static_cast<size_t>(std::lround(count * config.val));
    for (size_t i = 0; i < std::min(held, places.size()); ++i) out[places[i]].split = i < test ? "test" : "val";
  }
  return out;
}

}  // namespace hadal
