#include "hadal/data/path.h"

#include <algorithm>
#include <cstdlib>

#include "hadal/core/error.h"

namespace hadal {

namespace fs = std::filesystem;

fs::path data_path(const std::string& path) {
  if (!path.starts_with("$DATA")) return path;
  const char* folder = std::getenv("HADAL_DATA");
  const auto found =
      fs::path(folder ? folder : "../shared/data") / fs::path(path.substr(std::min<size_t>(path.size(), 6)));
  std::error_code error;
  if (!fs::exists(found, error))
    fail("there is no {}; HADAL_DATA names the folder that $DATA stands for", found.string());
  return found;
}

}  // namespace hadal
