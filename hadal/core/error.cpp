#include "hadal/core/error.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include <fmt/ranges.h>

namespace hadal {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost one each.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        next[j] = std::min(next[j], before[j - 2] + 1);
    }
    std::swap(before, row);
    std::swap(row, next);
  }
  return row[b.size()];
}

}  // namespace

int64_t nearest_multiple(int64_t value, int64_t step) { return std::max<int64_t>(1, (value + step / 2) / step) * step; }

std::vector<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates, size_t most) {
  const auto wanted = lower(word);
  std::vector<std::pair<size_t, std::string>> scored;
  for (const auto& candidate : candidates) {
    const auto name = lower(candidate);
    auto distance = edit_distance(wanted, name);
    const bool contains = wanted.size() >= 3 && name.find(wanted) != std::string::npos;
    if (contains) distance = std::min<size_t>(distance, 2);
    if (distance <= std::max<size_t>(2, name.size() / 3)) scored.emplace_back(distance, candidate);
  }
  std::stable_sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (scored.size() > most) scored.resize(most);
  std::vector<std::string> names;
  for (auto& [distance, name] : scored) names.push_back(std::move(name));
  return names;
}

std::string suggest(std::string_view word, const std::vector<std::string>& candidates) {
  if (const auto names = nearest(word, candidates); !names.empty())
    return fmt::format("; nearest: {}", fmt::join(names, ", "));
  if (candidates.empty()) return "";
  const auto shown = std::min<size_t>(candidates.size(), 12);
  return fmt::format("; known: {}{}", fmt::join(candidates.begin(), candidates.begin() + shown, ", "),
                     shown < candidates.size() ? ", ..." : "");
}

}  // namespace hadal
