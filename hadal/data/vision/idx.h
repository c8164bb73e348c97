// IDX, the format of MNIST: a magic number, sizes, then one dense array (LeCun, Cortes & Burges, "The MNIST database").
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/core/torch.h"
#include "hadal/data/vision/classification.h"

namespace hadal {

/// The array of an IDX file: unsigned and signed bytes, int16, int32, float32 and float64, of 1 to 8 dimensions. `name`
/// is for messages. Throws FileError when the header is wrong or the bytes are more or fewer than it says.
Tensor parse_idx(std::string_view bytes, std::string_view name);
/// The same from a file, unpacked when it is gzip.
Tensor read_idx(const std::filesystem::path& path);

/// Which of train, val and test the folder's files hold. Throws FileError when it has neither part.
std::vector<std::string> idx_splits(const std::filesystem::path& folder, int64_t val);

/// Grey pictures and labels from a folder with MNIST's four files, {train,t10k}-{images-idx3,labels-idx1}-ubyte, also
/// spelled with a dot (train-images.idx3-ubyte) and with .gz. Splits: test is t10k; val is the last `val` pictures of
/// the train file and train the rest. All pictures stay in memory as bytes; get() gives views.
class IdxData : public ClassificationData {
 public:
  /// `classes` names the labels 0, 1, ...; when empty, they are called "0", "1", ... up to the train file's largest
  /// label, t10k's where there is no train file. Throws FileError when a file is missing or wrong, or when labels do
  /// not match their pictures or the classes.
  IdxData(const std::filesystem::path& folder, const std::string& split, int64_t val = 5000,
          std::vector<std::string> classes = {});

  int64_t size() const override { return images_.size(0); }
  LabelledImage get(int64_t index) const override { return {images_[index], labels_.at(index)}; }
  int64_t channels() const override { return 1; }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string name(int64_t index) const override { return fmt::format("{}[{}]", file_, first_ + index); }
  const Tensor& images() const { return images_; }

 private:
  Tensor images_;  // (N, H, W, 1) uint8
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
  std::string file_;
  int64_t first_ = 0;  // this split's first picture in the file
};

}  // namespace hadal
