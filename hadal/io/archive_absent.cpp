#include "hadal/core/error.h"
#include "hadal/io/archive_formats.h"

namespace hadal::archive_format {

std::unique_ptr<FileSource> open_archive(HeldBytes, const std::string& name, const ArchiveLimits&) {
  throw FileError(name, "this build of Hadal reads no archives (HADAL_CORE_ONLY); unpack it into a folder");
}

std::string gunzip(std::string_view, std::string_view name, int64_t) {
  throw FileError(name, "this build of Hadal reads no gzip (HADAL_CORE_ONLY); unpack it with gunzip");
}

}  // namespace hadal::archive_format
