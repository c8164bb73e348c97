#include "hadal/data/vision/more_pictures.h"

#include <algorithm>
#include <numeric>

#include "hadal/data/path.h"

namespace hadal {
namespace {

constexpr int64_t kCache = int64_t{256} << 20;  // decoded pictures, in bytes

bool names_a_sound(const std::string& path) {
  return path.ends_with(".wav") || path.ends_with(".flac") || path.ends_with(".ogg");
}

}  // namespace

MorePictures::MorePictures(std::shared_ptr<ClassificationData> own, const MoreData& how) : own_(std::move(own)) {
  std::vector<int64_t> label_of(static_cast<size_t>(own_->size()));
  if (how.labels > 0)
    for (size_t i = 0; i < label_of.size(); ++i) label_of[i] = own_->get(static_cast<int64_t>(i)).label;
  chosen_ = chosen_examples(label_of, own_->classes(), how);
  const auto& names = own_->classes();
  for (const auto& path : how.more) {
    const FileTree tree(data_path(path));
    for (int64_t i = 0; i < tree.size(); ++i)
      if (names_a_sound(tree.path(i)))
        fail_usage("data.more={} holds sounds, {}: the pictures beside them are spectrograms; it is for data of sounds",
                   path, tree.path(i));
    const auto contents = image_folder_contents(tree);
    require(contents.splits.empty(), "data.more={} is divided into {}; it wants class folders: give one of them", path,
            fmt::join(contents.splits, ", "));
    Folder folder{std::make_shared<ImageFolder>(tree, "train", ImageFolderOptions{own_->channels(), kCache}), {}};
    for (const auto& label : folder.pictures->classes()) {
      const auto found = std::find(names.begin(), names.end(), label);
      if (found == names.end())
        fail_usage("data.more={} has a class \"{}\" that the data lacks{}", path, label, suggest(label, names));
      folder.label_of.push_back(found - names.begin());
    }
    folders_.push_back(std::move(folder));
  }
}

int64_t MorePictures::size() const {
  return std::accumulate(folders_.begin(), folders_.end(), static_cast<int64_t>(chosen_.size()),
                         [](int64_t sum, const Folder& folder) { return sum + folder.pictures->size(); });
}

std::pair<const MorePictures::Folder&, int64_t> MorePictures::further(int64_t index) const {
  index -= std::ssize(chosen_);
  for (const auto& folder : folders_) {
    if (index < folder.pictures->size()) return {folder, index};
    index -= folder.pictures->size();
  }
  fail("[data] there is no picture {}", index);
}

LabelledImage MorePictures::get(int64_t index) const {
  if (index < std::ssize(chosen_)) return own_->get(chosen_[static_cast<size_t>(index)]);
  const auto [folder, place] = further(index);
  auto out = folder.pictures->get(place);
  out.label = folder.label_of.at(static_cast<size_t>(out.label));
  return out;
}

std::string MorePictures::name(int64_t index) const {
  if (index < std::ssize(chosen_)) return own_->name(chosen_[static_cast<size_t>(index)]);
  const auto [folder, place] = further(index);
  return folder.pictures->name(place);
}

}  // namespace hadal
