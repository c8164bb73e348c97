// Settings as plain structs. One field list per struct drives TOML, `key=value`, --help and config.toml:
//
//   struct VitConfig {
//     int64_t image = 224, patch = 16;
//     double dropout = 0;
//     static Fields<VitConfig> fields() {
//       return {{"image", &VitConfig::image, "side of the square picture in pixels", at_least(1)},
//               {"patch", &VitConfig::patch, "side of a patch in pixels", at_least(1)},
//               {"dropout", &VitConfig::dropout, "share of activations dropped", between(0, 1)}};
//     }
//     void validate() const;  // optional: what no single field can say
//   };
#pragma once
#include <concepts>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hadal/core/error.h"
#include "hadal/core/value.h"

namespace hadal {

/// What a single setting may be.
struct Limit {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;  // open: the bound itself is not allowed
  std::vector<std::string> choices;
  std::string example;
  bool with_path = false;  // a file that goes with the part's `path`: another path sets it back
  bool file = false;       // the path of a file or folder: config.toml keeps it whole
  bool held_out = false;   // data kept from training: 0 where a file is scored whole
  /// Of a model's setting, whether weights that were trained with another value take it.
  enum class Change {
    never,
    learning,  // where training goes on from them, or where they had the default: the model had none of it
    always     // it is no part of what they learned
  } change = Change::never;

  Limit changes(Change when) const {
    auto out = *this;
    out.change = when;
    return out;
  }
  /// "at least 1", "from 0 to 1", "one of a, b"; empty without limits.
  std::string text() const;
};
inline Limit at_least(double low) { return {.low = low}; }
inline Limit above(double low) { return {.low = low, .low_open = true}; }
inline Limit between(double low, double high) { return {.low = low, .high = high}; }
inline Limit from_below(double low, double high) { return {.low = low, .high = high, .high_open = true}; }
inline Limit one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }
inline Limit example(std::string text) { return {.example = std::move(text)}; }
inline Limit goes_with_path() { return {.with_path = true, .file = true}; }
inline Limit file_path() { return {.file = true}; }
inline Limit held_out(Limit limit) {
  limit.held_out = true;
  return limit;
}

/// A part chosen by name, with settings of its own: optimizer = "sgd", or { name = "sgd", lr = 0.1 }.
struct Part {
  std::string name;
  Table settings;
};

class Schema;
struct PartKind {
  std::string name, about;
};
/// What a part can be and, for each name, its settings (empty when the name is unknown).
struct PartKinds {
  std::function<std::vector<PartKind>()> list;
  std::function<std::optional<Schema>(const std::string& name)> schema;
  std::string key = "name";  // the TOML key that chooses

  std::vector<std::string> names() const;
};

/// One setting of a config struct, type-erased. `path` in messages is the whole dotted name.
struct Field {
  std::string name, help, type;
  Limit limit;
  std::function<Value(const void* config)> get;
  std::function<void(void* config, const Value& value, const std::string& path)> set;
  std::function<std::vector<Field>()> children;  // of a nested struct
  std::shared_ptr<const PartKinds> kinds;        // of a Part
};

template <class C>
struct Fields;
template <class T>
concept Configured = requires {
  { T::fields() } -> std::same_as<Fields<T>>;
};

// Each readable type: its name for people, from and to Value. A wrong value throws UsageError with path, type, limits,
// example.
std::string read_text(const Value&, const std::string& path, const Limit&);
bool read_flag(const Value&, const std::string& path);
std::optional<bool> read_flag_or_auto(const Value&, const std::string& path);
int64_t read_integer(const Value&, const std::string& path, const Limit&);
double read_number(const Value&, const std::string& path, const Limit&);
/// A table without a name keeps `otherwise`.
Part read_part(const Value&, const std::string& path, const PartKinds&, const std::string& otherwise = "");
Value write_part(const Part&, const PartKinds&);
List read_list(const Value&, const std::string& path);
/// Sets every entry of `value` (a table) through `fields`; an unknown key gets the nearest right ones.
void read_fields(void* config, const std::vector<Field>& fields, const Value& value, const std::string& path);
Table write_fields(const void* config, const std::vector<Field>& fields);

template <class T>
struct Setting;
template <>
struct Setting<std::string> {
  static std::string type() { return "text"; }
  static std::string read(const Value& v, const std::string& path, const Limit& limit) {
    return read_text(v, path, limit);
  }
  static Value write(const std::string& v) { return v; }
};
template <>
struct Setting<bool> {
  static std::string type() { return "true or false"; }
  static bool read(const Value& v, const std::string& path, const Limit&) { return read_flag(v, path); }
  static Value write(bool v) { return v; }
};
template <>
struct Setting<std::optional<bool>> {  // unset: found out
  static std::string type() { return "true, false or auto"; }
  static std::optional<bool> read(const Value& v, const std::string& path, const Limit&) {
    return read_flag_or_auto(v, path);
  }
  static Value write(std::optional<bool> v) { return v ? Value(*v) : Value(std::string("auto")); }
};
template <>
struct Setting<int64_t> {
  static std::string type() { return "integer"; }
  static int64_t read(const Value& v, const std::string& path, const Limit& limit) {
    return read_integer(v, path, limit);
  }
  static Value write(int64_t v) { return v; }
};
template <>
struct Setting<double> {
  static std::string type() { return "number"; }
  static double read(const Value& v, const std::string& path, const Limit& limit) {
    return read_number(v, path, limit);
  }
  static Value write(double v) { return v; }
};
template <class T>
struct Setting<std::vector<T>> {
  static std::string type() { return "list of " + Setting<T>::type(); }
  static std::vector<T> read(const Value& v, const std::string& path, const Limit& limit) {
    std::vector<T> out;
    for (const auto& item : read_list(v, path)) out.push_back(Setting<T>::read(item, path, limit));
    return out;
  }
  static Value write(const std::vector<T>& v) {
    List out;
    for (const auto& item : v) out.push_back(Setting<T>::write(item));
    return out;
  }
};

/// The field list of a config struct; a brace list of {name, member, help[, limit]}.
template <class C>
struct Fields {
  struct Item : Field {
    template <class T>
      requires(!Configured<T> && !std::same_as<T, Part> && !std::same_as<T, Table>)
    Item(const char* name, T C::* member, const char* help, Limit limit = {})
        : Field{name, help, Setting<T>::type(), limit, {}, {}, {}, {}} {
      get = [member](const void* c) { return Setting<T>::write(static_cast<const C*>(c)->*member); };
      set = [member, limit](void* c, const Value& v, const std::string& path) {
        static_cast<C*>(c)->*member = Setting<T>::read(v, path, limit);
      };
    }
    /// A struct inside the struct.
    template <Configured T>
    Item(const char* name, T C::* member, const char* help) : Field{name, help, "section", {}, {}, {}, {}, {}} {
      get = [member](const void* c) {
        return Value(write_fields(&(static_cast<const C*>(c)->*member), children_of<T>()));
      };
      set = [member](void* c, const Value& v, const std::string& path) {
        read_fields(&(static_cast<C*>(c)->*member), children_of<T>(), v, path);
      };
      children = [] { return children_of<T>(); };
    }
    /// A part chosen by name.
    Item(const char* name, Part C::* member, const char* help, PartKinds part_kinds)
        : Field{name, help, "name", {}, {}, {}, {}, {}} {
      kinds = std::make_shared<const PartKinds>(std::move(part_kinds));
      get = [member, k = kinds](const void* c) { return write_part(static_cast<const C*>(c)->*member, *k); };
      set = [member, k = kinds](void* c, const Value& v, const std::string& path) {
        auto& part = static_cast<C*>(c)->*member;
        part = read_part(v, path, *k, part.name);
      };
    }
    /// A table that is kept as it comes.
    Item(const char* name, Table C::* member, const char* help) : Field{name, help, "table", {}, {}, {}, {}, {}} {
      get = [member](const void* c) { return Value(static_cast<const C*>(c)->*member); };
      set = [member](void* c, const Value& v, const std::string& path) {
        const auto* table = v.get_if<Table>();
        require(table, "{} wants a table, got {}", path, v.text());
        static_cast<C*>(c)->*member = *table;
      };
    }
  };

  std::vector<Field> list;
  Fields(std::initializer_list<Item> items) : list(items.begin(), items.end()) {}
  /// Those of a struct that C is derived from, then C's own: {Base::fields(), {{"name", ...}}}.
  template <class Base>
    requires std::derived_from<C, Base>
  Fields(const Fields<Base>& base, std::initializer_list<Item> items) {
    for (auto field : base.list) {
      field.get = [get = field.get](const void* c) { return get(static_cast<const Base*>(static_cast<const C*>(c))); };
      field.set = [set = field.set](void* c, const Value& v, const std::string& path) {
        set(static_cast<Base*>(static_cast<C*>(c)), v, path);
      };
      list.push_back(std::move(field));
    }
    list.insert(list.end(), items.begin(), items.end());
  }

 private:
  template <Configured T>
  static std::vector<Field> children_of() {
    return T::fields().list;
  }
};

template <Configured C>
void read_config(C& config, const Value& table, const std::string& path = "") {
  read_fields(&config, C::fields().list, table, path);
}
/// All settings with their values, in the order of the field list.
template <Configured C>
Table write_config(const C& config) {
  return write_fields(&config, C::fields().list);
}
/// Throws UsageError where a setting is outside its limits (a program may have set anything), and what validate()
/// throws where the struct has one. `path` stands before the names of settings.
template <Configured C>
void validate_config(const C& config, const std::string& path = "") {
  C within_limits;
  read_config(within_limits, write_config(config), path);
  if constexpr (requires { config.validate(); }) config.validate();
}

/// A config struct as values: its fields and their defaults, for help texts and for finding settings by name.
class Schema {
 public:
  template <Configured C>
  static Schema of(const C& defaults = {}) {
    return {C::fields().list, write_config(defaults)};
  }
  Schema(std::vector<Field> fields, Table defaults) : fields_(std::move(fields)), defaults_(std::move(defaults)) {}
  const std::vector<Field>& fields() const { return fields_; }
  const Table& defaults() const { return defaults_; }
  const Field* find(std::string_view name) const;

  /// A line a setting: name, type, limits, default, help; nested ones with their dotted names. Parts list their names
  /// and, where `chosen` is given, the settings of the one that it (or else the default) names.
  std::string help(const std::string& path = "", const Table* chosen = nullptr) const;
  /// The dotted paths of every setting or section called `name`, through sections and through the parts that `chosen`
  /// names.
  std::vector<std::string> paths_to(const std::string& name, const Table& chosen, const std::string& path = "") const;

 private:
  std::vector<Field> fields_;
  Table defaults_;
};

/// The one of paths_to()'s that a short name means: the only one, or the one in whose section all others lie, as the lr
/// of an optimiser in which another has one too. nullopt: any of them could be meant.
std::optional<std::string> outermost(const std::vector<std::string>& paths);

}  // namespace hadal
