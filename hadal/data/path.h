// Where the paths of recipes lead.
#pragma once
#include <filesystem>
#include <string>

namespace hadal {

/// A path as recipes write it: `$DATA/mnist` begins with the folder HADAL_DATA names, ../shared/data without it.
std::filesystem::path data_path(const std::string& path);

}  // namespace hadal
