#include "hadal/data/vision/sources.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "hadal/data/path.h"
#include "hadal/data/vision/idx.h"
#include "hadal/data/vision/image_folder.h"
#include "hadal/data/vision/more_pictures.h"
#include "hadal/data/vision/shapes.h"
#include "hadal/data/vision/stacked.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

struct IdxConfig {
  std::string path = "$DATA/mnist";
  int64_t val = 5000;

  static Fields<IdxConfig> fields() {
    return {
        {"path", &IdxConfig::path, "folder with MNIST's files; $DATA is HADAL_DATA", file_path()},
        {"val", &IdxConfig::val, "pictures of the training file held out for validation, its last ones", at_least(0)}};
  }
};

ClassificationSource open_idx(const IdxConfig& config) {
  const auto folder = data_path(config.path);
  return {idx_splits(folder, config.val), true,
          [=](const std::string& split) { return std::make_shared<IdxData>(folder, split, config.val); }};
}

struct FolderConfig {
  std::string path;
  int64_t channels = 3, cache_mb = 1024;

  static Fields<FolderConfig> fields() {
    return {
        {"path", &FolderConfig::path, "folder or archive: [SPLIT/]CLASS/picture.jpg; $DATA is HADAL_DATA", file_path()},
        {"channels", &FolderConfig::channels, "3: colour, 1: grey", between(1, 3)},
        {"cache_mb", &FolderConfig::cache_mb, "memory for decoded pictures, in MB (0: decode every time)",
         at_least(0)}};
  }
  void validate() const {
    require(!path.empty(), "data.path is not set: name a folder or archive of pictures, data=FOLDER");
    require(channels == 1 || channels == 3, "data.channels wants 1 or 3, got {}", channels);
  }
};

/// "3 files passed over, no pictures of a class: README.md, train/cat/a.gif, ..."
std::string remark_on(const std::vector<std::string>& passed_over) {
  constexpr size_t kShown = 3;
  if (passed_over.empty()) return "";
  const auto count = passed_over.size();
  const auto last = passed_over.begin() + static_cast<ptrdiff_t>(std::min(count, kShown));
  return fmt::format("{} file{} passed over, no picture{} of a class: {}{}", count, count == 1 ? "" : "s",
                     count == 1 ? "" : "s", fmt::join(passed_over.begin(), last, ", "), count > kShown ? ", ..." : "");
}

ClassificationSource open_folder(const FolderConfig& config) {
  const FileTree tree(data_path(config.path));
  const auto [splits, passed_over] = image_folder_contents(tree);
  return {splits.empty() ? std::vector<std::string>{"train", "val", "test"} : splits, !splits.empty(),
          [=](const std::string& split) {
            return std::make_shared<ImageFolder>(tree, split,
                                                 ImageFolderOptions{config.channels, config.cache_mb << 20});
          },
          remark_on(passed_over)};
}

/// MNIST's files make a folder an IDX data set; everything else is a folder or archive of pictures.
bool holds_idx(const fs::path& folder) {
  std::error_code error;
  return std::any_of(fs::directory_iterator(folder, error), fs::directory_iterator(),
                     [](const fs::directory_entry& entry) {
                       const auto name = entry.path().filename().string();
                       return name.find("-images") != std::string::npos && name.find("idx3-ubyte") != std::string::npos;
                     });
}

struct AutoConfig {
  std::string path;
  static Fields<AutoConfig> fields() {
    return {{"path", &AutoConfig::path, "folder or archive; $DATA is HADAL_DATA", file_path()}};
  }
  void validate() const { require(!path.empty(), "say which data: data=FOLDER or data=ARCHIVE"); }
};

ClassificationSource open_any(const AutoConfig& config) {
  if (holds_idx(data_path(config.path))) return open_idx({.path = config.path, .val = 0});
  return open_folder({.path = config.path});
}

struct StackedConfig : IdxConfig {
  int64_t train = 60'000, scored = 26'000, seed = 0;

  static Fields<StackedConfig> fields() {
    return {IdxConfig::fields(),
            {{"train", &StackedConfig::train, "pictures to train on", at_least(1)},
             {"scored", &StackedConfig::scored, "pictures of val, and of test", at_least(1)},
             {"seed", &StackedConfig::seed, "another seed stacks others", at_least(0)}}};
  }
};

ClassificationSource open_stacked(const StackedConfig& config) {
  const auto digits = open_idx(config);
  return {digits.splits, true, [=](const std::string& split) {
            const auto place = std::find(digits.splits.begin(), digits.splits.end(), split) - digits.splits.begin();
            const auto count = split == "train" ? config.train : config.scored;
            const auto seed = static_cast<uint64_t>(config.seed) * 4 + static_cast<uint64_t>(place);
            return std::make_shared<StackedData>(digits.open(split), count, seed);
          }};
}

ClassificationSource open_shapes(const ShapesClassificationConfig& config) {
  ClassificationSource source{
      {"train"}, true, [=](const std::string& split) { return std::make_shared<ShapesClassification>(config, split); }};
  if (config.val > 0) source.splits.emplace_back("val");
  if (config.test > 0) source.splits.emplace_back("test");
  return source;
}

/// What is trained on may be more than the data's own, or less.
ClassificationSource with_more(ClassificationSource source, const MoreData& how) {
  if (!how.any()) return source;
  source.open = [open = std::move(source.open), how](const std::string& split) {
    auto data = open(split);
    if (split == "train") data = std::make_shared<MorePictures>(std::move(data), how);
    return data;
  };
  return source;
}

template <class C>
void add(ClassificationCatalog& catalog, const char* name, const char* about,
         ClassificationSource (*open)(const C& config)) {
  catalog.add(name, about, WithMore<C>{},
              [open](const WithMore<C>& config) { return with_more(open(config), config); });
}

}  // namespace

const ClassificationCatalog& classification_sources() {
  static const auto catalog = [] {
    ClassificationCatalog made("kind of data", "data");
    add(made, "auto", "by what the path holds", open_any);
    add(made, "idx", "MNIST's files", open_idx);
    add(made, "folder", "pictures in class folders, in a folder or archive", open_folder);
    add(made, "stacked", "three of MNIST's pictures as the colours of one, a thousand classes", open_stacked);
    add(made, "shapes", "shapes that Hadal draws itself", open_shapes);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
