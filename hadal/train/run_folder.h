// Run folders: where a training leaves what it made.
#pragma once
#include <filesystem>
#include <string>

namespace hadal {

/// PARENT/NAME, or PARENT/NAME-2, -3, ... when that is taken; makes the folder, so that two runs never share one.
std::filesystem::path fresh_folder(const std::filesystem::path& parent, const std::string& name);

/// Takes the folder away again when nothing was written into it: a command that failed at once leaves no trace.
void remove_if_empty(const std::filesystem::path& folder);

}  // namespace hadal
