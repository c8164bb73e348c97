// Files by relative path, wherever they lie: in a folder, or unpacked nowhere in a .tar, .tar.gz (also .xz, .bz2, .zst)
// or .zip. Content decides the kind of archive, never the name. Nothing is ever written to the disk. All functions
// throw FileError with the archive's name and the reason; none trusts its input.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct ArchiveLimits {
  int64_t max_files = int64_t{1} << 24;
  int64_t max_bytes = int64_t{1} << 34;  // unpacked in memory: a whole compressed tar, or one file of a zip
};

/// What FileTree reads from; one kind per container.
class FileSource {
 public:
  virtual ~FileSource() = default;
  virtual std::string read(int64_t i) const = 0;
  /// The file's first bytes, `most` of them or fewer.
  virtual std::string read_start(int64_t i, size_t most) const = 0;
  std::vector<std::string> paths;  // sorted
};

/// The regular files of a folder or archive, sorted by path. Links are followed, hard and symbolic ones; one that leads
/// out of its archive, nowhere or in a circle is an error that names it. What systems leave behind is not listed:
/// hidden files and folders (".DS_Store") and "__MACOSX". Copies share what they hold.
class FileTree {
 public:
  /// A compressed tar cannot seek, so it is unpacked into memory here; .tar and .zip stay on the disk, mapped.
  explicit FileTree(const std::filesystem::path& path, const ArchiveLimits& limits = {});
  /// An archive in memory, which must stay there.
  FileTree(std::string_view bytes, std::string_view name, const ArchiveLimits& limits = {});

  int64_t size() const { return static_cast<int64_t>(source_->paths.size()); }
  /// Relative, with '/': "train/airplane/0000.jpg".
  const std::string& path(int64_t i) const { return source_->paths.at(static_cast<size_t>(i)); }
  /// For messages: "cifar10-jpg.tar.gz/train/airplane/0000.jpg" with the tree's own path before it.
  std::string name(int64_t i) const { return root_ + "/" + path(i); }
  const std::string& root() const { return root_; }
  std::optional<int64_t> find(std::string_view path) const;
  /// The file's bytes. May be called from several threads at once.
  std::string read(int64_t i) const;
  /// Its first bytes, to see what it is; unlike read() this takes no longer for a large file.
  std::string read_start(int64_t i, size_t most) const;

 private:
  std::string root_;
  std::shared_ptr<const FileSource> source_;
};

/// The file's bytes, unpacked when they are gzip (one member or several), else as they are.
std::string read_gz(const std::filesystem::path& path, int64_t max_bytes = int64_t{1} << 34);
/// The same for bytes in memory.
std::string unpack_gz(std::string_view bytes, std::string_view name, int64_t max_bytes = int64_t{1} << 34);

}  // namespace hadal
