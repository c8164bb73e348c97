#include "hadal/io/file.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hadal/core/error.h"

namespace hadal {
namespace {

// Behind a file's name, and six letters or digits behind it: a name that nobody gives to a file of their own.
constexpr std::string_view kTemporary = ".tmp-";

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

int open_to_read(const std::filesystem::path& path, struct stat& info) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw FileError(path.string(), std::strerror(errno));
  if (::fstat(descriptor, &info) != 0 || S_ISDIR(info.st_mode)) {
    ::close(descriptor);
    throw FileError(path.string(), S_ISDIR(info.st_mode) ? "is a folder, not a file" : std::strerror(errno));
  }
  return descriptor;
}

// What the user's umask takes away. There is no asking for it but by setting it.
mode_t file_mask() {
  static const auto mask = [] {
    const auto now = ::umask(0077);
    ::umask(now);
    return now;
  }();
  return mask;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  struct stat info{};
  const Descriptor file{open_to_read(path, info)};
  std::string bytes;
  if (info.st_size > 0) bytes.reserve(static_cast<size_t>(info.st_size));
  char block[1 << 16];
  for (;;) {
    const auto count = ::read(file.value, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileError(path.string(), std::strerror(errno));
    if (count == 0) return bytes;
    bytes.append(block, static_cast<size_t>(count));
  }
}

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  auto pattern = path.string() + std::string(kTemporary) + std::string(6, 'X');  // which mkostemp replaces
  if (!error) descriptor_ = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (descriptor_ < 0)
    throw FileError(path.string(), fmt::format("cannot write: {}", error ? error.message() : std::strerror(errno)));
  temporary_ = pattern;
  ::fchmod(descriptor_, 0666 & ~file_mask());
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail_now(const char* what) {
  throw FileError(path_.string(), fmt::format("{}: {}", what, std::strerror(errno)));
}

void AtomicFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(descriptor_, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_now("cannot write");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail_now("cannot flush to the disk");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_now("cannot replace");
  ::close(descriptor_);
  descriptor_ = -1;
  // The rename itself must survive a power cut.
  const auto parent = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  if (const Descriptor folder{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)}; folder.value >= 0)
    ::fsync(folder.value);
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

FolderLock::FolderLock(const std::filesystem::path& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) throw FileError(folder.string(), std::strerror(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  throw FileError(folder.string(), "another program is at work in this folder");
}

FolderLock::~FolderLock() { ::close(descriptor_); }

void remove_leftovers(const std::filesystem::path& path) {
  const auto name = path.filename().string() + std::string(kTemporary);
  std::error_code ignored;
  std::filesystem::directory_iterator entries(path.has_parent_path() ? path.parent_path() : ".", ignored);
  for (const auto& entry : entries) {
    const auto found = entry.path().filename().string();
    if (found.size() == name.size() + 6 && found.starts_with(name) &&
        std::all_of(found.end() - 6, found.end(), [](unsigned char c) { return std::isalnum(c); }))
      std::filesystem::remove(entry.path(), ignored);
  }
}

MappedFile::MappedFile(const std::filesystem::path& path) : name_(path.string()) {
  struct stat info{};
  const Descriptor file{open_to_read(path, info)};
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return;
  // Writable but private: a tensor that points here may be changed, and the file stays as it is.
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.value, 0);
  if (address == MAP_FAILED) throw FileError(name_, std::strerror(errno));
  mapping_ = std::shared_ptr<const void>(address, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  bytes_ = {static_cast<const std::byte*>(address), size};
}

}  // namespace hadal
