// The containers behind archive.h.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "hadal/io/archive.h"

namespace hadal::archive_format {

/// Bytes and what keeps them there.
struct HeldBytes {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
};

std::unique_ptr<FileSource> open_archive(HeldBytes archive, const std::string& name, const ArchiveLimits& limits);
std::unique_ptr<FileSource> open_tar(HeldBytes tar, const std::string& name, const ArchiveLimits& limits);
std::unique_ptr<FileSource> open_zip(HeldBytes zip, const std::string& name, const ArchiveLimits& limits);

/// The plain bytes of one gzip file.
std::string gunzip(std::string_view bytes, std::string_view name, int64_t max_bytes);

/// "./a//b" -> "a/b".
std::string tidy(std::string_view path);

/// Whether a part of the path begins with a dot or is "__MACOSX".
bool is_left_behind(std::string_view path);

inline bool is_gzip(std::string_view bytes) { return bytes.substr(0, 3) == std::string_view("\x1F\x8B\x08", 3); }

}  // namespace hadal::archive_format
