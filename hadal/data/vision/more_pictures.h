// Pictures to train on: a few of a data set's own, with those of further class folders behind them.
#pragma once
#include <memory>

#include "hadal/data/more.h"
#include "hadal/data/vision/image_folder.h"

namespace hadal {

class MorePictures : public ClassificationData {
 public:
  /// Throws UsageError for a class folder that is no class of `own`, with the nearest names, and for sounds.
  MorePictures(std::shared_ptr<ClassificationData> own, const MoreData& how);
  int64_t size() const override;
  LabelledImage get(int64_t index) const override;
  int64_t channels() const override { return own_->channels(); }
  const std::vector<std::string>& classes() const override { return own_->classes(); }
  std::string name(int64_t index) const override;

 private:
  struct Folder {
    std::shared_ptr<ImageFolder> pictures;
    std::vector<int64_t> label_of;  // own_'s, of each class of the folder
  };
  /// The folder and the place within it of the index behind own ones.
  std::pair<const Folder&, int64_t> further(int64_t index) const;

  std::shared_ptr<ClassificationData> own_;
  std::vector<int64_t> chosen_;
  std::vector<Folder> folders_;
};

}  // namespace hadal
