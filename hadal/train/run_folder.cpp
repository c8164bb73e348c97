#include "hadal/train/run_folder.h"

#include "hadal/core/error.h"

namespace hadal {

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw FileError(folder.string(), fmt::format("cannot make this folder: {}", error.message()));
}

std::filesystem::path fresh_folder(const std::filesystem::path& parent, const std::string& name) {
  make_folder(parent);
  std::error_code error;
  for (int64_t number = 1;; ++number) {
    const auto folder = parent / (number == 1 ? name : fmt::format("{}-{}", name, number));
    if (std::filesystem::create_directory(folder, error)) return folder;
    if (error) throw FileError(folder.string(), fmt::format("cannot make this folder: {}", error.message()));
  }
}

void remove_if_empty(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored)) std::filesystem::remove(folder, ignored);
}

}  // namespace hadal
