// What the entries of an archive are once it is unpacked: of one path the last stays, and links are followed.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hadal/io/archive.h"

namespace hadal::archive_format {

/// Entries in the archive's order, then list(). Paths are tidied here; a file is a number of the caller's.
class EntryTree {
 public:
  EntryTree(std::string name, const ArchiveLimits& limits) : name_(std::move(name)), limits_(limits) {}

  void add_file(std::string_view path, size_t file);
  void add_folder(std::string_view path);
  /// A symbolic link: `target` is seen from the folder that the link lies in.
  void add_link(std::string_view path, std::string_view target);
  /// A second name of the entry called `target`, which may also come later.
  void add_hard_link(std::string_view path, std::string_view target);

  /// Paths and their files, sorted, without what systems leave behind. Links to folders list what lies in those. Throws
  /// FileError, with the link's path, for links that lead out of the archive, nowhere or in a circle.
  std::vector<std::pair<std::string, size_t>> list();

 private:
  struct Node {
    enum Kind { kFile, kFolder, kLink, kHardLink } kind = kFolder;
    size_t file = 0;
    std::string target;
  };
  using Nodes = std::map<std::string, Node, std::less<>>;

  void add(std::string_view path, Node node);
  void settle_hard_links();
  const Node* find(std::string_view path) const;
  bool is_folder(std::string_view path) const;
  /// The path behind all links of `from`'s own; `from` is for messages.
  std::string resolve(const std::string& from, const Node& link) const;
  void list_link(const std::string& real, const std::string& shown, const Node& link);
  void list_below(const std::string& folder, const std::string& shown);
  void put(std::string path, size_t file);
  [[noreturn]] void refuse(const std::string& link, const std::string& target, std::string_view why) const;

  std::string name_;
  ArchiveLimits limits_;
  Nodes nodes_;
  std::vector<std::string> inside_;  // folders that are being listed through links
  std::vector<std::pair<std::string, size_t>> listed_;
  int64_t visits_ = 0, letters_ = 0;
};

}  // namespace hadal::archive_format
