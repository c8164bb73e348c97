// Run folders: where a training leaves what it made.
#pragma once
#include <filesystem>
#include <string>

namespace hadal {

/// Makes a folder and those around it, unless it is there. Throws FileError.
void make_folder(const std::filesystem::path& folder);

/// PARENT/NAME, or PARENT/NAME-2, -3, ... when that is taken; makes the folder, so that two runs never share one.
std::filesystem::path fresh_folder(const std::filesystem::path& parent, const std::string& name);

/// Takes the folder away again when nothing was written into it: a command that failed at once leaves no trace.
void remove_if_empty(const std::filesystem::path& folder);

/// Does that at the end of its life; nothing where `folder` is empty.
struct UnusedFolder {
  std::filesystem::path folder;
  ~UnusedFolder() {
    if (!folder.empty()) remove_if_empty(folder);
  }
};

}  // namespace hadal
