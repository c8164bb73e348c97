#include "hadal/core/config.h"

#include <charconv>
#include <cmath>

#include <fmt/ranges.h>

namespace hadal {
namespace {

std::string plain(double number) { return fmt::format("{}", number); }

[[noreturn]] void wrong(const std::string& path, std::string_view wanted, const Value& got, const Limit& limit,
                        std::string_view example) {
  const auto range = limit.text();
  const auto* word = got.get_if<Word>();
  fail_usage("{} wants {}{}{}, got {}; example: {}={}", path, wanted, range.empty() ? "" : " ", range,
             word ? fmt::format("\"{}\"", word->text) : got.text(), path,
             limit.example.empty() ? example : limit.example);
}

std::optional<bool> flag_of(const Value& value) {
  if (const auto* flag = value.get_if<bool>()) return *flag;
  if (const auto* word = value.get_if<Word>()) {
    if (word->text == "true" || word->text == "yes" || word->text == "on" || word->text == "1") return true;
    if (word->text == "false" || word->text == "no" || word->text == "off" || word->text == "0") return false;
  }
  return {};
}

/// A number within the limits, for the example in a message.
std::string example_number(const Limit& limit, bool whole) {
  const bool both = std::isfinite(limit.low) && std::isfinite(limit.high);
  if (whole && both && limit.high - limit.low > 1000)
    return plain(std::max(limit.low + 1, 10.0));  // the middle of so many is no example
  if (both) return whole ? plain(std::ceil((limit.low + limit.high) / 2)) : plain((limit.low + limit.high) / 2);
  if (std::isfinite(limit.low)) return plain(limit.low_open || whole ? limit.low + 1 : limit.low + 0.5);
  return whole ? "10" : "0.1";
}

bool within(double number, const Limit& limit) {
  return (limit.low_open ? number > limit.low : number >= limit.low) &&
         (limit.high_open ? number < limit.high : number <= limit.high);
}

template <class T>
bool parse_number(const std::string& text, T& number) {
  const auto* end = text.data() + text.size();
  const auto* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto result = std::from_chars(begin, end, number);
  return result.ec == std::errc() && result.ptr == end && begin != end;
}

}  // namespace

std::vector<std::string> PartKinds::names() const {
  std::vector<std::string> out;
  for (const auto& kind : list()) out.push_back(kind.name);
  return out;
}

std::string Limit::text() const {
  if (!choices.empty()) return fmt::format("(one of {})", fmt::join(choices, ", "));
  const bool has_low = std::isfinite(low), has_high = std::isfinite(high);
  if (has_low && has_high)
    return fmt::format("{} {} {} {}", low_open ? "above" : "from", plain(low), high_open ? "to below" : "to",
                       plain(high));
  if (has_low) return fmt::format("{} {}", low_open ? "above" : "of at least", plain(low));
  if (has_high) return fmt::format("{} {}", high_open ? "below" : "of at most", plain(high));
  return "";
}

std::string read_text(const Value& value, const std::string& path, const Limit& limit) {
  std::string text;
  if (const auto* word = value.get_if<Word>())
    text = word->text;
  else if (const auto* string = value.get_if<std::string>())
    text = *string;
  else
    wrong(path, "text", value, limit, "\"...\"");
  if (!limit.choices.empty() && std::find(limit.choices.begin(), limit.choices.end(), text) == limit.choices.end())
    fail_usage("{} = \"{}\" is not known{}", path, text, suggest(text, limit.choices));
  return text;
}

bool read_flag(const Value& value, const std::string& path) {
  if (const auto flag = flag_of(value)) return *flag;
  wrong(path, "true or false", value, {}, "true");
}

std::optional<bool> read_flag_or_auto(const Value& value, const std::string& path) {
  if (const auto flag = flag_of(value)) return flag;
  const auto* word = value.get_if<Word>();
  const auto* string = value.get_if<std::string>();
  if ((word && word->text == "auto") || (string && *string == "auto")) return {};
  wrong(path, "true, false or auto", value, {}, "auto");
}

int64_t read_integer(const Value& value, const std::string& path, const Limit& limit) {
  int64_t number = 0;
  const auto* word = value.get_if<Word>();
  const auto* integer = value.get_if<int64_t>();
  if (integer) number = *integer;
  const bool read = integer || (word && parse_number(word->text, number));
  if (!read || !within(static_cast<double>(number), limit))
    wrong(path, "an integer", value, limit, example_number(limit, true));
  return number;
}

double read_number(const Value& value, const std::string& path, const Limit& limit) {
  double number = 0;
  bool read = true;
  if (const auto* real = value.get_if<double>())
    number = *real;
  else if (const auto* integer = value.get_if<int64_t>())
    number = static_cast<double>(*integer);
  else if (const auto* word = value.get_if<Word>())
    read = parse_number(word->text, number);
  else
    read = false;
  if (!read || !std::isfinite(number) || !within(number, limit))
    wrong(path, "a number", value, limit, example_number(limit, false));
  return number;
}

List read_list(const Value& value, const std::string& path) {
  if (const auto* list = value.get_if<List>()) return *list;
  if (const auto* word = value.get_if<Word>()) {
    Value parsed;
    if (word->text.starts_with('[') && parse_value(word->text, parsed)) return *parsed.get_if<List>();
    List words;  // a,b,c
    size_t begin = 0;
    while (!word->text.empty() && begin <= word->text.size()) {
      const auto end = std::min(word->text.find(',', begin), word->text.size());
      words.push_back(Word{word->text.substr(begin, end - begin)});
      begin = end + 1;
    }
    return words;
  }
  if (value.get_if<Table>()) wrong(path, "a list", value, {}, "[1, 2]");
  return {value};  // one item without brackets
}

Part read_part(const Value& value, const std::string& path, const PartKinds& kinds, const std::string& otherwise) {
  Part part;
  auto given = value;
  if (const auto* word = value.get_if<Word>(); word && word->text.starts_with('{'))
    if (Value parsed; parse_value(word->text, parsed)) given = parsed;
  if (const auto* table = given.get_if<Table>()) {
    const auto* name = table->find(kinds.key);
    if (!name && otherwise.empty())
      fail_usage("{} has no {}; names: {}", path, kinds.key, fmt::join(kinds.names(), ", "));
    part.name = name ? read_text(*name, path + "." + kinds.key, {}) : otherwise;
    part.settings = *table;
    part.settings.erase(kinds.key);
  } else {
    part.name = read_text(given, path, {});
  }
  const auto schema = kinds.schema(part.name);
  if (!schema) fail_usage("{} \"{}\" is not known{}", path, part.name, suggest(part.name, kinds.names()));
  for (const auto& [key, setting] : part.settings.entries())
    if (!schema->find(key)) {
      std::vector<std::string> names;
      for (const auto& field : schema->fields()) names.push_back(field.name);
      fail_usage("unknown setting {}.{} of \"{}\"{}", path, key, part.name, suggest(key, names));
    }
  return part;
}

namespace {

/// What `field`, a part, is: what `value` names, or else the default.
std::string kind_of(const Field& field, const Value* value, const Table& defaults, const std::string& path) {
  const auto* given = value ? value->get_if<Table>() : nullptr;
  if (given && given->find(field.kinds->key)) return read_text(*given->find(field.kinds->key), path, {});
  if (value && !given) return read_text(*value, path, {});
  const auto* usual = defaults.find(field.name);
  const auto* table = usual ? usual->get_if<Table>() : nullptr;
  const auto* name = table ? table->find(field.kinds->key) : nullptr;
  return name ? read_text(*name, path, {}) : "";
}

/// Words of the command line as their settings' types have them, so that they are written as what they are read as.
Value settled(const Value& value, const std::string& type) {
  const auto* word = value.get_if<Word>();
  if (!word) return value;
  if (type == "text") return word->text;
  if (type.starts_with("list of ")) {
    List out;
    for (const auto& item : read_list(value, "")) out.push_back(settled(item, type.substr(8)));
    return out;
  }
  if (double number = 0; type == "number" && parse_number(word->text, number)) return number;
  Value parsed;
  return parse_value(word->text, parsed) ? parsed : Value(word->text);
}

Table settled(const Table& table, const std::vector<Field>& fields) {
  Table out = table;
  for (const auto& field : fields)
    if (const auto* value = table.find(field.name)) {
      const auto* below = value->get_if<Table>();
      out.set(field.name, below && field.children ? settled(*below, field.children()) : settled(*value, field.type));
    }
  return out;
}

}  // namespace

Value write_part(const Part& part, const PartKinds& kinds) {
  Table table{{kinds.key, part.name}};
  const auto schema = kinds.schema(part.name);
  if (!schema) return table.merge(part.settings), table;
  table.merge(schema->defaults());
  const auto settings = settled(part.settings, schema->fields());
  // A part within this one that is another than the usual one has nothing of its settings.
  for (const auto& field : schema->fields())
    if (const auto* value = settings.find(field.name);
        value && field.kinds &&
        kind_of(field, value, {}, field.name) != kind_of(field, nullptr, schema->defaults(), field.name))
      table.erase(field.name);
  table.merge(settings);
  return table;
}

void read_fields(void* config, const std::vector<Field>& fields, const Value& value, const std::string& path) {
  const auto* table = value.get_if<Table>();
  require(table, "{} wants a section with settings, got {}", path, value.text());
  for (const auto& [key, entry] : table->entries()) {
    const auto whole = path.empty() ? key : path + "." + key;
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == key; });
    if (field == fields.end()) {
      std::vector<std::string> names;
      for (const auto& known : fields) names.push_back(known.name);
      fail_usage("unknown setting {}{}", whole, suggest(key, names));
    }
    field->set(config, entry, whole);
  }
}

Table write_fields(const void* config, const std::vector<Field>& fields) {
  Table table;
  for (const auto& field : fields) table.set(field.name, field.get(config));
  return table;
}

const Field* Schema::find(std::string_view name) const {
  const auto found = std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return f.name == name; });
  return found == fields_.end() ? nullptr : &*found;
}

namespace {

/// The section `name` of `table`; an empty one where there is none.
Table section(const Table* table, const std::string& name) {
  const auto* value = table ? table->find(name) : nullptr;
  const auto* found = value ? value->get_if<Table>() : nullptr;
  return found ? *found : Table{};
}

}  // namespace

std::string Schema::help(const std::string& path, const Table* chosen) const {
  std::string out;
  for (const auto& field : fields_) {
    const auto whole = path.empty() ? field.name : path + "." + field.name;
    const auto below = section(chosen, field.name);
    if (field.children) {
      out += Schema(field.children(), section(&defaults_, field.name)).help(whole, chosen ? &below : nullptr);
      continue;
    }
    auto type = field.type;
    if (!field.limit.choices.empty())
      type = fmt::format("{}", fmt::join(field.limit.choices, " | "));
    else if (field.kinds)
      type = fmt::format("{}", fmt::join(field.kinds->names(), " | "));
    else if (const auto range = field.limit.text(); !range.empty())
      type += " " + range;
    std::string usual, kind;
    if (field.kinds) {
      kind = kind_of(field, chosen ? chosen->find(field.name) : nullptr, defaults_, whole);
      usual = Value(kind).text();
    } else if (const auto* initial = defaults_.find(field.name)) {
      usual = initial->text();
    }
    if (usual == "\"\"" || usual == "[]" || usual == "{}") usual.clear();
    out += fmt::format("  {}={}\n      {}. {}\n", whole, usual, field.help, type);
    if (!chosen || !field.kinds) continue;
    if (const auto schema = field.kinds->schema(kind)) out += schema->help(whole, &below);
  }
  return out;
}

std::vector<std::string> Schema::paths_to(const std::string& name, const Table& chosen, const std::string& path) const {
  std::vector<std::string> found;
  const auto collect = [&](const Schema& below, const Field& field, const std::string& whole) {
    for (auto& deeper : below.paths_to(name, section(&chosen, field.name), whole)) found.push_back(std::move(deeper));
  };
  for (const auto& field : fields_) {
    const auto whole = path.empty() ? field.name : path + "." + field.name;
    if (field.name == name) found.push_back(whole);
    if (field.children) {
      collect(Schema(field.children(), section(&defaults_, field.name)), field, whole);
      continue;
    }
    if (!field.kinds) continue;
    if (const auto schema = field.kinds->schema(kind_of(field, chosen.find(field.name), defaults_, whole)))
      collect(*schema, field, whole);
  }
  return found;
}

std::optional<std::string> outermost(const std::vector<std::string>& paths) {
  for (const auto& path : paths) {
    const auto own = path.substr(0, path.rfind('.') + 1);
    if (std::all_of(paths.begin(), paths.end(), [&](const std::string& other) { return other.starts_with(own); }))
      return path;
  }
  return std::nullopt;
}

}  // namespace hadal
