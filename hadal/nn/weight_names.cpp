#include "hadal/nn/weight_names.h"

#include <cctype>
#include <map>
#include <optional>

#include "hadal/core/error.h"

namespace hadal {
namespace {

/// Our name for theirs when the row is about it.
std::optional<std::string> name_by(const NameRow& row, std::string_view name) {
  size_t at = 0;
  std::string number;
  for (const char expected : row.theirs) {
    if (expected == '#') {
      while (at < name.size() && std::isdigit(static_cast<unsigned char>(name[at]))) number += name[at++];
      if (number.empty()) return std::nullopt;
    } else if (at == name.size() || name[at++] != expected) {
      return std::nullopt;
    }
  }
  std::string ours(row.ours);
  if (ours.empty()) return ours;
  if (const auto mark = ours.find('#'); mark != std::string::npos) ours.replace(mark, 1, number);
  return ours.append(name.substr(at));
}

using Parts = std::map<int, Tensor>;

Tensor joined(const std::string& name, const Parts& parts, const std::map<int, std::string_view>& wanted,
              std::string_view where) {
  std::vector<Tensor> all;
  for (const auto& [part, theirs] : wanted) {
    const auto found = parts.find(part);
    if (found == parts.end()) fail("[{}] {} is joined from parts, and the weights have no {}*", where, name, theirs);
    all.push_back(found->second);
    const auto &first = all.front(), &here = all.back();
    if (here.dim() == 0 || here.dim() != first.dim() || here.sizes().slice(1) != first.sizes().slice(1))
      fail("[{}] {} is joined from parts, and {}* does not fit beside the others", where, name, theirs);
  }
  // Parts of several types become float32: LibTorch joins float8 with nothing else.
  if (std::any_of(all.begin(), all.end(), [&](const Tensor& t) { return t.scalar_type() != all[0].scalar_type(); }))
    for (auto& each : all) each = each.to(torch::kFloat32);
  return torch::cat(all);
}

}  // namespace

TensorsByName renamed(const TensorsByName& weights, std::initializer_list<std::span<const NameRow>> tables,
                      std::string_view where) {
  TensorsByName out;
  std::map<std::string, Parts> separate;
  std::map<std::string, std::map<int, std::string_view>> wanted;
  const auto take = [&](const std::string& name, const Tensor& given, std::span<const NameRow> rows) {
    for (const auto& row : rows) {
      const auto ours = name_by(row, name);
      if (!ours) continue;
      if (ours->empty()) return true;
      const auto tensor = row.transposed && given.dim() == 2 ? given.t() : given;
      if (row.part < 0) {
        out.emplace_back(*ours, tensor);
      } else {
        if (!separate.contains(*ours)) {
          out.emplace_back(*ours, Tensor());  // keeps the place
          for (const auto& other : rows)
            if (other.part >= 0 && other.ours == row.ours) wanted[*ours].emplace(other.part, other.theirs);
        }
        separate[*ours][row.part] = tensor;
      }
      return true;
    }
    return false;
  };
  for (const auto& [name, tensor] : weights) {
    bool taken = false;
    for (const auto& table : tables) taken = taken || take(name, tensor, table);
    if (!taken) out.emplace_back(name, tensor);
  }
  for (auto& [name, tensor] : out)
    if (!tensor.defined()) tensor = joined(name, separate.at(name), wanted.at(name), where);
  return out;
}

}  // namespace hadal
