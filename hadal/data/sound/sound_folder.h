// Sounds in class folders, of any length, rate and number of channels.
#pragma once
#include "hadal/data/sound/sounds.h"

namespace hadal {

struct SoundFolderConfig {
  std::string path;
  int64_t length = 64;
  double val = 0.1, test = 0.1;
  MelConfig mel;

  static Fields<SoundFolderConfig> fields();
  void validate() const;
};

/// [SPLIT/]CLASS/.../clip.wav in a folder or archive; a class is the folder's name. Splits are the folders train, val
/// and test (or training, valid, validation, testing, in any case); without such ones, shares of each class, the same
/// ones every time. Throws FileError for a sound in no class folder.
std::vector<SoundPlace> sounds_in_folders(const FileTree& tree, const SoundFolderConfig& config);

}  // namespace hadal
