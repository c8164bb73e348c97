// Formulas in recipes: "min((t + 1) / 400, sqrt(400 / (t + 1)))".
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// The value for one number per name.
using Formula = std::function<double(const std::vector<double>& values)>;

/// Reads numbers, the given names, pi, + - * / ^, brackets, and sqrt exp log sin cos abs floor min max. Throws
/// UsageError that says where in the text it stopped; `path` is the setting's name.
Formula parse_formula(std::string_view text, const std::vector<std::string>& names, const std::string& path);

}  // namespace hadal
