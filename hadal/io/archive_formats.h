// The containers behind archive.h.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

/// Sorts entries by path; of several with one path the last stays, as when an archive is unpacked.
template <class Entry>
void sort_entries(std::vector<std::pair<std::string, Entry>>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + 1 < entries.size() && entries[i + 1].first == entries[i].first) continue;
    if (kept != i) entries[kept] = std::move(entries[i]);
    ++kept;
  }
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(kept), entries.end());
}

inline bool is_gzip(std::string_view bytes) { return bytes.substr(0, 3) == std::string_view("\x1F\x8B\x08", 3); }

}  // namespace hadal::archive_format
