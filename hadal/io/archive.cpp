#include "hadal/io/archive.h"

#include <algorithm>
#include <fstream>

#include "hadal/core/error.h"
#include "hadal/io/archive_formats.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

class Folder : public FileSource {
 public:
  Folder(const fs::path& root, const ArchiveLimits& limits) : root_(root) {
    std::error_code error;
    const auto check = [&] {
      if (error) throw FileError(root.string(), fmt::format("cannot list the folder: {}", error.message()));
    };
    fs::recursive_directory_iterator at(root, fs::directory_options::follow_directory_symlink, error), end;
    check();
    for (; at != end; at.increment(error), check()) {
      if (at.depth() > 64) throw FileError(at->path().string(), "more than 64 folders deep; does a link form a ring?");
      std::error_code ignored;  // a dangling link is no file
      if (!at->is_regular_file(ignored)) continue;
      auto path = at->path().lexically_relative(root).generic_string();
      if (archive_format::is_left_behind(path)) continue;
      if (static_cast<int64_t>(paths.size()) >= limits.max_files)
        throw FileError(root.string(), fmt::format("more than {} files", limits.max_files));
      paths.push_back(std::move(path));
    }
    check();
    std::sort(paths.begin(), paths.end());
  }
  std::string read(int64_t i) const override { return read_file(root_ / paths[static_cast<size_t>(i)]); }
  std::string read_start(int64_t i, size_t most) const override {
    std::ifstream file(root_ / paths[static_cast<size_t>(i)], std::ios::binary);
    std::string out(most, '\0');
    file.read(out.data(), static_cast<std::streamsize>(most));
    out.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return out;
  }

 private:
  fs::path root_;
};

}  // namespace

std::string archive_format::tidy(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    if (!part.empty() && part != ".") out += (out.empty() ? "" : "/") + std::string(part);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return out;
}

bool archive_format::is_left_behind(std::string_view path) {
  return path.starts_with('.') || path.starts_with("__MACOSX/") || path.find("/.") != std::string_view::npos ||
         path.find("/__MACOSX/") != std::string_view::npos;
}

FileTree::FileTree(const fs::path& path, const ArchiveLimits& limits) : root_(path.string()) {
  while (root_.size() > 1 && root_.ends_with('/')) root_.pop_back();
  std::error_code error;
  if (fs::is_directory(path, error)) {
    source_ = std::make_shared<Folder>(path, limits);
    return;
  }
  const MappedFile file(path);
  source_ = archive_format::open_archive({file.text(), file.keep_alive()}, root_, limits);
}

FileTree::FileTree(std::string_view bytes, std::string_view name, const ArchiveLimits& limits) : root_(name) {
  source_ = archive_format::open_archive({bytes, nullptr}, root_, limits);
}

std::optional<int64_t> FileTree::find(std::string_view path) const {
  const auto& paths = source_->paths;
  const auto found = std::lower_bound(paths.begin(), paths.end(), path);
  if (found == paths.end() || *found != path) return std::nullopt;
  return found - paths.begin();
}

std::string FileTree::read(int64_t i) const {
  if (i < 0 || i >= size()) fail("{}: file {} was asked for; there are {}", root_, i, size());
  return source_->read(i);
}

std::string FileTree::read_start(int64_t i, size_t most) const {
  if (i < 0 || i >= size()) fail("{}: file {} was asked for; there are {}", root_, i, size());
  return source_->read_start(i, most);
}

std::string unpack_gz(std::string_view bytes, std::string_view name, int64_t max_bytes) {
  return archive_format::is_gzip(bytes) ? archive_format::gunzip(bytes, name, max_bytes) : std::string(bytes);
}

std::string read_gz(const fs::path& path, int64_t max_bytes) {
  auto bytes = read_file(path);  // which may be a pipe
  if (!archive_format::is_gzip(bytes)) return bytes;
  return archive_format::gunzip(bytes, path.string(), max_bytes);
}

}  // namespace hadal
