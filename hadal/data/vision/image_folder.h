// Pictures in class folders, torchvision's ImageFolder layout: ROOT[/SPLIT]/CLASS/*.jpg, in a folder or an archive.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hadal/core/torch.h"
#include "hadal/data/vision/classification.h"
#include "hadal/io/archive.h"

namespace hadal {

struct ImageFolderOptions {
  int64_t channels = 3;     // 3: RGB, 1: grey
  int64_t cache_bytes = 0;  // decoded pictures are kept in memory up to this many bytes
};

/// Whether the file is one of the pictures that are read here: by its name's ending, or else by how it begins.
bool is_picture(const FileTree& tree, int64_t file);

/// What a tree of pictures holds.
struct ImageFolderContents {
  std::vector<std::string> splits;  // of train, val, test, sub-folders of class folders; none: classes lie at the top
  std::vector<std::string> passed_over;  // files that are no picture of a class, by their path in the tree
};
ImageFolderContents image_folder_contents(const FileTree& tree);

/// The sub-folders train, val and test (also training, valid, validation, testing; in any case of letters) are splits
/// when there are any; otherwise the root's class folders are the data whatever the split. Folders that lead to all
/// pictures, as archives have, are passed through. Classes are those of the train split when there is one, sorted by
/// name as torchvision does; other kinds of files are passed over, and hidden ones are not seen at all.
class ImageFolder : public ClassificationData {
 public:
  /// Throws FileError or UsageError when there are no class folders, one holds no picture or its name is not UTF-8, the
  /// split is missing (with those that are there) or there twice, or it has a class that train lacks.
  ImageFolder(FileTree tree, const std::string& split, const ImageFolderOptions& options = {});
  ~ImageFolder() override;
  ImageFolder(const ImageFolder&) = delete;
  ImageFolder& operator=(const ImageFolder&) = delete;

  int64_t size() const override { return static_cast<int64_t>(pictures_.size()); }
  /// Decodes, or gives the cached picture. Throws FileError with the picture's name when it does not decode.
  LabelledImage get(int64_t index) const override;
  int64_t channels() const override { return options_.channels; }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string name(int64_t index) const override { return tree_.name(pictures_.at(index).file); }

  /// The file's bytes, for transforms that decode no more than they need.
  std::string get_encoded(int64_t index) const { return tree_.read(pictures_.at(index).file); }
  int64_t label(int64_t index) const { return pictures_.at(index).label; }

 private:
  struct Picture {
    int64_t file, label;
  };
  void keep(int64_t index, const Tensor& image) const;

  FileTree tree_;
  ImageFolderOptions options_;
  std::vector<Picture> pictures_;
  std::vector<std::string> classes_;
  // A slot a picture, empty until it is decoded: filled once, then read without a lock.
  std::unique_ptr<std::atomic<const Tensor*>[]> cache_;
  mutable std::atomic<int64_t> cached_bytes_ = 0;
};

}  // namespace hadal
