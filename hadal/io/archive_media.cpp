// Tar through libarchive, and what unpacks a compressed one.
#include <algorithm>
#include <memory>

#include <archive.h>
#include <archive_entry.h>

#include "hadal/core/error.h"
#include "hadal/io/archive_formats.h"
#include "hadal/io/archive_links.h"

namespace hadal::archive_format {
namespace {

using namespace std::string_view_literals;
using Reader = std::unique_ptr<::archive, decltype(&archive_read_free)>;

Reader open_reader(const std::string& name, std::string_view bytes, bool tar) {
  Reader reader(archive_read_new(), archive_read_free);
  if (!reader) throw FileError(name, "out of memory");
  if (tar) {
    archive_read_support_format_tar(reader.get());
  } else {
    archive_read_support_format_raw(reader.get());
    // Not all filters: some of them run programs, which hostile input must not reach.
    archive_read_support_filter_xz(reader.get());
    archive_read_support_filter_bzip2(reader.get());
    archive_read_support_filter_zstd(reader.get());
  }
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    throw FileError(name, fmt::format("cannot open: {}", archive_error_string(reader.get())));
  return reader;
}

[[noreturn]] void broken(const std::string& name, const Reader& reader) {
  const auto* text = archive_error_string(reader.get());
  throw FileError(name, fmt::format("damaged archive: {}", text ? text : "unknown reason"));
}

/// Whole content of an xz, bzip2, zstd, ... file.
std::string unpack(std::string_view bytes, const std::string& name, int64_t max_bytes) {
  const auto reader = open_reader(name, bytes, false);
  archive_entry* entry = nullptr;
  if (archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) broken(name, reader);
  std::string out;
  std::vector<char> piece(1 << 18);
  while (const auto got = archive_read_data(reader.get(), piece.data(), piece.size())) {
    if (got < 0) broken(name, reader);
    if (static_cast<int64_t>(out.size()) + got > max_bytes)
      throw FileError(name, fmt::format("unpacks to more than the limit of {} bytes", max_bytes));
    out.append(piece.data(), static_cast<size_t>(got));
  }
  return out;
}

class Tar : public FileSource {
 public:
  Tar(HeldBytes tar, const std::string& name, const ArchiveLimits& limits) : tar_(std::move(tar)) {
    const auto reader = open_reader(name, tar_.bytes, true);
    EntryTree entries(name, limits);
    std::vector<std::string_view> contents;
    archive_entry* entry = nullptr;
    int64_t copied = 0;
    for (int status; (status = archive_read_next_header(reader.get(), &entry)) != ARCHIVE_EOF;) {
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN) broken(name, reader);
      const auto *path = archive_entry_pathname(entry), *first_name = archive_entry_hardlink(entry),
                 *target = archive_entry_symlink(entry);
      if (!path) continue;
      const auto kind = archive_entry_filetype(entry);
      const auto size = archive_entry_size(entry);
      if (first_name && size == 0) {  // else it brings its own copy
        entries.add_hard_link(path, first_name);
      } else if (kind == AE_IFLNK && target) {
        entries.add_link(path, target);
      } else if (kind == AE_IFDIR) {
        entries.add_folder(path);
      } else if (kind == AE_IFREG || first_name) {
        entries.add_file(path, contents.size());
        contents.push_back(content(reader, name, size, limits, copied));
      }
    }
    for (auto& [path, file] : entries.list()) paths.push_back(std::move(path)), contents_.push_back(contents[file]);
  }
  std::string read(int64_t i) const override { return std::string(contents_[static_cast<size_t>(i)]); }
  std::string read_start(int64_t i, size_t most) const override {
    return std::string(contents_[static_cast<size_t>(i)].substr(0, most));
  }

 private:
  /// Where the entry's bytes lie: libarchive hands out pointers into the memory that it reads. A sparse file has holes
  /// and is put together in a copy.
  std::string_view content(const Reader& reader, const std::string& name, int64_t size, const ArchiveLimits& limits,
                           int64_t& copied) {
    std::string_view whole;
    std::string* copy = nullptr;
    int64_t done = 0;
    const void* block = nullptr;
    size_t length = 0;
    la_int64_t offset = 0;
    for (int status; (status = archive_read_data_block(reader.get(), &block, &length, &offset)) != ARCHIVE_EOF;) {
      if (status != ARCHIVE_OK) broken(name, reader);
      if (length == 0) continue;
      if (offset < done || offset > size || static_cast<int64_t>(length) > size - offset)
        throw FileError(name, "damaged archive: a file's pieces do not fit its size");
      const std::string_view piece(static_cast<const char*>(block), length);
      done = offset + static_cast<int64_t>(length);
      if (!copy && within(piece) && static_cast<size_t>(offset) == whole.size() &&
          (whole.empty() || whole.data() + whole.size() == piece.data())) {
        whole = {whole.empty() ? piece.data() : whole.data(), whole.size() + length};
        continue;
      }
      if (!copy) copy = start_copy(whole, name, size, limits, copied);
      std::copy(piece.begin(), piece.end(), copy->begin() + offset);
    }
    if (!copy && static_cast<int64_t>(whole.size()) < size) copy = start_copy(whole, name, size, limits, copied);
    return copy ? std::string_view(*copy) : whole;
  }

  std::string* start_copy(std::string_view begun, const std::string& name, int64_t size, const ArchiveLimits& limits,
                          int64_t& copied) {
    if (size > limits.max_bytes - copied)
      throw FileError(name, fmt::format("unpacks to more than the limit of {} bytes", limits.max_bytes));
    copied += size;
    copies_.push_back(std::make_unique<std::string>(static_cast<size_t>(size), '\0'));
    std::copy(begun.begin(), begun.end(), copies_.back()->begin());
    return copies_.back().get();
  }

  bool within(std::string_view piece) const {
    const std::less_equal<const char*> before;
    return before(tar_.bytes.data(), piece.data()) &&
           before(piece.data() + piece.size(), tar_.bytes.data() + tar_.bytes.size());
  }

  HeldBytes tar_;
  std::vector<std::string_view> contents_;
  std::vector<std::unique_ptr<std::string>> copies_;
};

bool is_tar(std::string_view bytes) { return bytes.size() >= 512 && bytes.substr(257, 5) == "ustar"sv; }

bool is_compressed(std::string_view bytes) {
  return bytes.starts_with(
             "\xFD"
             "7zXZ\0"sv) ||
         bytes.starts_with("BZh"sv) || bytes.starts_with("\x28\xB5\x2F\xFD"sv);
}

}  // namespace

std::unique_ptr<FileSource> open_tar(HeldBytes tar, const std::string& name, const ArchiveLimits& limits) {
  return std::make_unique<Tar>(std::move(tar), name, limits);
}

std::unique_ptr<FileSource> open_archive(HeldBytes archive, const std::string& name, const ArchiveLimits& limits) {
  const auto bytes = archive.bytes;
  if (bytes.starts_with("PK\3\4"sv) || bytes.starts_with("PK\5\6"sv)) return open_zip(archive, name, limits);
  if (is_gzip(bytes) || is_compressed(bytes)) {
    auto plain = std::make_shared<std::string>(is_gzip(bytes) ? gunzip(bytes, name, limits.max_bytes)
                                                              : unpack(bytes, name, limits.max_bytes));
    if (!is_tar(*plain))
      throw FileError(name, "a compressed file, but not of a tar archive: it holds no folder of files");
    return open_tar({*plain, plain}, name, limits);
  }
  if (is_tar(bytes)) return open_tar(archive, name, limits);
  throw FileError(name, bytes.empty() ? "the file is empty; an archive was expected"
                                      : "a folder, .tar, .tar.gz or .zip was expected; this is none of them");
}

}  // namespace hadal::archive_format
