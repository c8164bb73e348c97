// YAML as settings of data sets use it: maps and lists by indentation or in brackets, plain and quoted scalars, blocks
// of text. Anchors, tags and several documents are refused by name, as is what would mean two things.
#pragma once
#include <string_view>

#include <nlohmann/json.hpp>

namespace hadal {

/// A map, list or scalar: null, true and false, whole and decimal numbers as such, all else text. Keys are text.
/// Throws FileError with the file's name and line: a tab in the indentation, a key twice, brackets or quotes that are
/// never closed, more than 64 levels.
nlohmann::json parse_yaml(std::string_view text, std::string_view name);

}  // namespace hadal
