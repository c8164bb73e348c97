// Zip archives of stored (not compressed) entries, as PyTorch's files are: their bytes are used where they lie.
// (PKWARE APPNOTE 6.3.10: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT)
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/io/file.h"

namespace hadal {

struct StoredEntry {
  std::string name;
  std::span<const std::byte> bytes;
  int method = 0;  // 0: stored; others are compressed, and bytes is what they became

  /// The entry's content. Throws FileError, with the file's name, when it is compressed.
  std::span<const std::byte> content(const std::string& file) const;
};

/// The entries of a zip archive, zip64 or not, in the order of its directory; they point into `bytes`. Throws
/// FileError, with the file's `name`, for encrypted entries, for entries that overlap and for anything damaged.
/// Checksums are not verified: PyTorch can be told to write none.
std::vector<StoredEntry> read_stored_zip(std::span<const std::byte> bytes, const std::string& name);

/// Writes such an archive, all or nothing; each entry's bytes begin at a multiple of 64 in the file.
class StoredZipWriter {
 public:
  /// zip64 records are written where sizes need them; `always_zip64`: everywhere.
  explicit StoredZipWriter(const std::filesystem::path& path, bool always_zip64 = false)
      : file_(path), always_zip64_(always_zip64) {}
  void add(const std::string& name, std::string_view bytes);
  void commit();

 private:
  struct Record {
    std::string name;
    uint64_t offset, size;
    uint32_t crc;
  };
  void write(std::string_view bytes) { file_.write(bytes), place_ += bytes.size(); }
  std::string directory_entry(const Record& record) const;
  bool large(uint64_t value) const { return always_zip64_ || value >= UINT32_MAX; }

  AtomicFile file_;
  bool always_zip64_;
  uint64_t place_ = 0;
  std::vector<Record> records_;
};

}  // namespace hadal
