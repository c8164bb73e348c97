#include "hadal/data/sound/sources.h"

#include "hadal/data/path.h"

namespace hadal {
namespace {

/// `find` says which sounds of a tree are which.
template <class Config>
SoundsSource source_of(const WithMore<Config>& config,
                       std::vector<SoundPlace> (*find)(const FileTree& tree, const Config& config)) {
  return {config.length, config.mel, [config, find](const std::vector<std::string>& labels, const Hearing& hear) {
            require(!config.path.empty(), "say which sounds: data=FOLDER or data=ARCHIVE");
            const FileTree tree(data_path(config.path));
            const auto own =
                hear ? hear : Hearing([mel = config.mel](SoundReader& sound) { return sound_features(sound, mel); });
            const auto sounds = std::make_shared<Sounds>(tree, find(tree, config), own, labels);
            if (labels.empty()) sounds->choose(config, own);  // for training
            return sounds;
          }};
}

}  // namespace

const Catalog<SoundsSource>& sound_sources() {
  static const auto catalog = [] {
    Catalog<SoundsSource> made("kind of data", "data");
    made.add("sounds", "sounds called LABEL_..._INDEX.wav, as spectrograms", WithMore<SoundsConfig>{},
             [](const WithMore<SoundsConfig>& config) { return source_of(config, sounds_by_name); });
    made.add("sound_folder", "sounds in class folders, of any length and rate, as spectrograms",
             WithMore<SoundFolderConfig>{},
             [](const WithMore<SoundFolderConfig>& config) { return source_of(config, sounds_in_folders); });
    return made;
  }();
  return catalog;
}

}  // namespace hadal
