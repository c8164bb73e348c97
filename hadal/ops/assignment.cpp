#include "hadal/ops/assignment.h"

#include <cmath>
#include <utility>

#include "hadal/core/error.h"

namespace hadal {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

/// cost (rows, columns), rows <= columns: each row's column. Rows come one by one; each takes the cheapest path to a
/// free column, over reduced costs (those less the duals u and v), along which earlier rows move aside.
std::vector<int64_t> assigned(const double* cost, int64_t rows, int64_t columns) {
  const auto n = static_cast<size_t>(rows), m = static_cast<size_t>(columns);
  std::vector<double> u(n), v(m), shortest(m);
  std::vector<int64_t> column_of(n, -1), row_of(m, -1), from(m);
  std::vector<char> seen(m);
  for (size_t row = 0; row < n; ++row) {
    shortest.assign(m, kFar);
    seen.assign(m, 0);
    auto at = row;
    double least = 0;
    size_t sink = m;
    while (sink == m) {
      size_t next = m;
      double next_least = kFar;
      for (size_t j = 0; j < m; ++j) {
        if (seen[j]) continue;
        const auto reduced = least + cost[at * m + j] - u[at] - v[j];
        if (reduced < shortest[j]) shortest[j] = reduced, from[j] = static_cast<int64_t>(at);
        // Of equals a free one: the path ends there.
        if (shortest[j] < next_least || (shortest[j] == next_least && row_of[j] < 0))
          next_least = shortest[j], next = j;
      }
      least = next_least;
      seen[next] = 1;
      if (row_of[next] < 0)
        sink = next;
      else
        at = static_cast<size_t>(row_of[next]);
    }
    u[row] += least;
    for (size_t j = 0; j < m; ++j) {
      if (!seen[j]) continue;
      if (row_of[j] >= 0) u[static_cast<size_t>(row_of[j])] += least - shortest[j];
      v[j] -= least - shortest[j];
    }
    for (auto j = sink;;) {
      const auto i = static_cast<size_t>(from[j]);
      row_of[j] = from[j];
      const auto before = std::exchange(column_of[i], static_cast<int64_t>(j));
      if (i == row) break;
      j = static_cast<size_t>(before);
    }
  }
  return column_of;
}

}  // namespace

std::vector<int64_t> least_cost_pairs(const Tensor& cost, double limit) {
  require(cost.dim() == 2, "[least_cost_pairs] costs (rows, columns) came with {} dimensions", cost.dim());
  require(!std::isnan(limit), "[least_cost_pairs] the limit is NaN");
  const auto rows = cost.size(0), columns = cost.size(1);
  std::vector<int64_t> out(static_cast<size_t>(rows), -1);
  if (cost.numel() == 0) return out;
  auto table = cost.detach().to(torch::kCPU, torch::kFloat64);
  require(!table.isnan().any().item<bool>(), "[least_cost_pairs] a cost is NaN");
  const bool limited = std::isfinite(limit);
  if (limited) table = (table - limit).clamp_max(0);
  // Beyond that sums of a few are infinite.
  require(table.abs().le(1e300).all().item<bool>(),
          "[least_cost_pairs] a cost is infinite; give a limit to leave pairs out");
  const bool turned = rows > columns;
  table = (turned ? table.t() : table).contiguous();
  const auto pairs = assigned(table.const_data_ptr<double>(), table.size(0), table.size(1));
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto j = static_cast<size_t>(pairs[i]);
    if (limited && table[static_cast<int64_t>(i)][pairs[i]].item<double>() >= 0) continue;
    (turned ? out[j] : out[i]) = turned ? static_cast<int64_t>(i) : pairs[i];
  }
  return out;
}

}  // namespace hadal
