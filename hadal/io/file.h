// Whole files in and out. Readers of formats take bytes and a name for their messages; these functions bring both.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace hadal {

/// The file's bytes. Throws FileError with the file's name and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Writes all or nothing: a temporary file beside `path`, flushed to the disk, then renamed over it. A reader, or a
/// machine that stops at any moment, finds the old file or the new one. Throws FileError (disk full, read-only folder,
/// ...) and then leaves no temporary file. Makes missing parent folders.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// Removes the temporary files that a program left beside `path` when it was killed while it wrote it.
void remove_leftovers(const std::filesystem::path& path);

/// The same for content that is not in one piece: `fill` writes to the stream.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(std::string_view bytes);
  /// Flushes and renames; without it the destructor removes the temporary file.
  void commit();

 private:
  [[noreturn]] void fail_now(const char* what);
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

/// Held by the one program that writes into a folder, which must be there; goes with the program, however that ends.
class FolderLock {
 public:
  /// Throws FileError where another one holds it. Where the file system knows no locks there is nothing to hold.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

/// A file mapped into memory. Copies share the mapping; it lives as long as the last of them. What is written to the
/// memory stays in it (copy on write): the file never changes.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  std::span<const std::byte> bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }
  const std::string& name() const { return name_; }
  /// Keeps the mapping alive, for tensors that point into it.
  std::shared_ptr<const void> keep_alive() const { return mapping_; }

 private:
  std::string name_;
  std::shared_ptr<const void> mapping_;
  std::span<const std::byte> bytes_;
};

}  // namespace hadal
