#include <toml++/toml.h>

#include "hadal/core/error.h"
#include "hadal/core/value.h"

namespace hadal {
namespace {

Value convert(const toml::node& node);

Table convert_table(const toml::table& table) {
  // toml++ sorts its keys; the file's own order comes back through the source positions.
  std::vector<std::pair<std::string, const toml::node*>> items;
  for (const auto& [key, node] : table) items.emplace_back(std::string(key.str()), &node);
  std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    const auto x = a.second->source().begin, y = b.second->source().begin;
    return std::pair(x.line, x.column) < std::pair(y.line, y.column);
  });
  Table out;
  for (const auto& [key, node] : items) out.set(key, convert(*node));
  return out;
}

Value convert(const toml::node& node) {
  if (const auto* table = node.as_table()) return convert_table(*table);
  if (const auto* array = node.as_array()) {
    List list;
    for (const auto& item : *array) list.push_back(convert(item));
    return list;
  }
  if (const auto* text = node.as_string()) return std::string(text->get());
  if (const auto* number = node.as_integer()) return static_cast<int64_t>(number->get());
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  fail_usage("line {}: dates and times are not used here; write them as \"text\"", node.source().begin.line);
}

}  // namespace

Table parse_toml(std::string_view text, std::string_view name) {
  try {
    return convert_table(toml::parse(text, name));
  } catch (const toml::parse_error& error) {
    fail_usage("{}:{}:{}: {}", name, error.source().begin.line, error.source().begin.column, error.description());
  } catch (const UsageError& error) {
    fail_usage("{}: {}", name, error.what());
  }
}

bool parse_value(std::string_view text, Value& value) {
  try {
    const auto table = toml::parse(fmt::format("value = {}\n", text));
    if (table.size() != 1) return false;
    value = convert(*table.get("value"));
    return true;
  } catch (const toml::parse_error&) {
    return false;
  } catch (const UsageError&) {
    return false;
  }
}

}  // namespace hadal
