// Sounds to train on besides the data's own.
#include "hadal/data/path.h"
#include "hadal/data/sound/sound_folder.h"

namespace hadal {

void Sounds::choose(const MoreData& how, const Hearing& hear) {
  if (how.labels > 0) {
    std::vector<int64_t> label_of;
    for (const auto& item : train_) label_of.push_back(item.label);
    std::vector<Item> chosen;
    for (const auto index : chosen_examples(label_of, classes_, how))
      chosen.push_back(train_[static_cast<size_t>(index)]);
    train_ = std::move(chosen);
  }
  for (const auto& path : how.more) {
    const FileTree tree(data_path(path));
    auto places = sounds_in_folders(tree, {.path = path, .val = 0, .test = 0});
    for (auto& place : places) place.split = "train";
    Sounds more(tree, places, hear, classes_);
    for (auto& item : more.train_) train_.push_back(std::move(item));
  }
}

}  // namespace hadal
