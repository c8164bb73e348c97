#include "hadal/core/value.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/ranges.h>

#include "hadal/core/error.h"

namespace hadal {

Table::Table() = default;
Table::Table(std::initializer_list<Entry> entries) : entries_(entries) {}
Table::Table(const Table&) = default;
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(const Table&) = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;
bool Table::operator==(const Table& other) const { return entries_ == other.entries_; }

const Value* Table::find(std::string_view key) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  return found == entries_.end() ? nullptr : &found->value;
}

void Table::set(std::string_view key, Value value) {
  if (auto* old = const_cast<Value*>(find(key)))
    *old = std::move(value);
  else
    entries_.push_back({std::string(key), std::move(value)});
}

void Table::erase(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& e) { return e.key == key; });
}

void Table::set_path(std::string_view path, Value value) {
  const auto dot = path.find('.');
  if (dot == std::string_view::npos) return set(path, std::move(value));
  const auto head = path.substr(0, dot);
  const auto* here = find(head);
  Table below;
  if (here) {
    if (const auto* table = here->get_if<Table>())
      below = *table;
    else if (here->get_if<Word>() || here->get_if<std::string>())
      below.set("name", *here);
    else
      fail_usage("{} = {} is a value and has no {}", head, here->text(), path.substr(dot + 1));
  }
  below.set_path(path.substr(dot + 1), std::move(value));
  set(head, std::move(below));
}

const Value* Table::find_path(std::string_view path) const {
  const auto dot = path.find('.');
  const auto* here = find(path.substr(0, dot));
  if (dot == std::string_view::npos || !here) return here;
  const auto* table = here->get_if<Table>();
  return table ? table->find_path(path.substr(dot + 1)) : nullptr;
}

void Table::merge(const Table& other) {
  for (const auto& [key, value] : other.entries()) {
    const auto* theirs = value.get_if<Table>();
    const auto* here = find(key);
    const auto* ours = here ? here->get_if<Table>() : nullptr;
    if (theirs && ours) {
      auto merged = *ours;
      merged.merge(*theirs);
      set(key, std::move(merged));
    } else {
      set(key, value);
    }
  }
}

namespace {

std::string quoted_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + '"';
}

/// A long text as it is, '''...''', where TOML can have it so: escapes within escapes would double a file of JSON.
std::optional<std::string> literal_text(std::string_view text) {
  constexpr size_t kLong = 1000;
  if (text.size() < kLong || text.ends_with('\'') || text.find("'''") != text.npos) return std::nullopt;
  const auto escapes = [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), escapes)) return std::nullopt;
  return fmt::format("'''\n{}'''", text);
}

std::string key_text(const std::string& key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-';
  });
  return bare ? key : quoted_text(key);
}

std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  auto text = fmt::format("{}", number);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

struct Writer {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return fmt::format("{}", value); }
  std::string operator()(double value) const { return number_text(value); }
  std::string operator()(const std::string& value) const { return quoted_text(value); }
  std::string operator()(const Word& value) const { return quoted_text(value.text); }
  std::string operator()(const List& value) const {
    std::vector<std::string> items;
    for (const auto& item : value) items.push_back(item.text());
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  std::string operator()(const Table& value) const {
    std::vector<std::string> items;
    for (const auto& [key, item] : value.entries()) items.push_back(key_text(key) + " = " + item.text());
    return items.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(items, ", "));
  }
};

void write_section(const Table& table, const std::string& path, std::string& out) {
  const auto section = [](const Value& value) {
    const auto* below = value.get_if<Table>();
    return below && !below->empty() ? below : nullptr;
  };
  for (const auto& [key, value] : table.entries()) {
    if (section(value)) continue;
    const auto* text = value.get_if<std::string>();
    const auto literal = text ? literal_text(*text) : std::nullopt;
    out += key_text(key) + " = " + (literal ? *literal : value.text()) + "\n";
  }
  for (const auto& [key, value] : table.entries()) {
    const auto* below = section(value);
    if (!below) continue;
    const auto name = path.empty() ? key_text(key) : path + "." + key_text(key);
    out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", name);
    write_section(*below, name, out);
  }
}

}  // namespace

std::string Value::text() const { return std::visit(Writer{}, static_cast<const variant&>(*this)); }

std::string to_toml(const Table& table) {
  std::string out;
  write_section(table, "", out);
  return out;
}

}  // namespace hadal
