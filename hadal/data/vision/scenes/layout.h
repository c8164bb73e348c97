// Finding one's way in a folder or archive of pictures and labels, whatever folders lie around them.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hadal/io/archive.h"

namespace hadal {

/// "a/b/c.jpg": folder "a/b" (empty at the top), stem "c", ending ".jpg" in small letters.
std::string_view folder_of(std::string_view path);
std::string_view file_of(std::string_view path);
std::string_view stem_of(std::string_view path);
std::string ending_of(std::string_view path);
std::string small_letters(std::string_view text);
/// "a/b" and "c" -> "a/b/c"; nothing where one is empty.
std::string joined(std::string_view folder, std::string_view path);
/// Without ".", "..", empty parts and backslashes; ".." takes a part away, at the top none.
std::string tidy_path(std::string_view path);

/// train, val or test where the name is one of theirs (also training, valid, validation, testing; any letters).
std::string split_called(std::string_view name);
/// The split of the innermost folder that has a split's name; empty: none.
std::string split_of_path(std::string_view path);

/// The files of a tree by what they are called.
class Layout {
 public:
  explicit Layout(const FileTree& tree);

  const FileTree& tree() const { return tree_; }
  const std::vector<int64_t>& pictures() const { return pictures_; }
  /// Files with this ending (".xml"), by path.
  std::vector<int64_t> files(std::string_view ending) const;
  /// The file at `path` below `folder`, or below the top, or at the longest end of `path` that there is: label files
  /// name pictures as they lay on another machine.
  std::optional<int64_t> find(std::string_view path, std::string_view folder = {}) const;
  /// The picture that labels belong to: `stem` in one of `folders`, in this order; then the only one of this name.
  std::optional<int64_t> picture(std::string_view stem, const std::vector<std::string>& folders) const;

 private:
  FileTree tree_;
  std::vector<int64_t> pictures_;
  std::unordered_map<std::string, std::vector<int64_t>> by_stem_;
};

/// The lines of a list, without blanks around and without empty ones.
std::vector<std::string> lines_of(std::string_view text);

}  // namespace hadal
