// Things that are made by name from a config: models, optimisers, schedules, data sets, tasks. Filled by explicit
// register_*() calls; nothing registers itself.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "hadal/core/config.h"

namespace hadal {

/// Product is what comes out (usually a pointer), Args what its maker is given besides its config.
template <class Product, class... Args>
class Catalog {
 public:
  struct Item {
    std::string name, about;
    Schema schema;
    std::function<Product(const Table& settings, const std::string& path, Args...)> make;
    std::function<Table(const Table& settings, const std::string& path)> resolve;
  };

  /// `what` names the kind of thing in messages: "model", "optimizer". `path` is where its settings stand in a recipe
  /// ("train.optimizer"); without it messages name the item.
  explicit Catalog(std::string what, std::optional<std::string> path = std::nullopt)
      : what_(std::move(what)), path_(std::move(path)) {}

  /// A preset is a config with this name's defaults; `make` is given the validated config with the user's settings in
  /// it.
  template <Configured Config, class Make>
  void add(const std::string& name, const std::string& about, const Config& preset, Make make) {
    const auto configure = [preset](const Table& settings, const std::string& path) {
      Config config = preset;
      read_config(config, settings, path);
      validate_config(config, path);
      return config;
    };
    items_.push_back({name, about, Schema::of(preset),
                      [configure, make](const Table& settings, const std::string& path, Args... args) -> Product {
                        return make(configure(settings, path), std::forward<Args>(args)...);
                      },
                      [configure](const Table& settings, const std::string& path) {
                        return write_config(configure(settings, path));
                      }});
  }

  const std::vector<Item>& items() const { return items_; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& item : items_) out.push_back(item.name);
    return out;
  }
  const Item* find(const std::string& name) const {
    for (const auto& item : items_)
      if (item.name == name) return &item;
    return nullptr;
  }
  /// Throws UsageError with the nearest names when there is none.
  const Item& at(const std::string& name) const {
    const auto* item = find(name);
    if (!item) fail_usage("unknown {} \"{}\"{}", what_, name, suggest(name, names()));
    return *item;
  }
  Product make(const Part& part, Args... args) const {
    return make_at(path_.value_or(part.name), part, std::forward<Args>(args)...);
  }
  /// A part whose settings stand elsewhere, "train.optimizer.base": so say messages.
  Product make_at(const std::string& path, const Part& part, Args... args) const {
    return at(part.name).make(part.settings, path, std::forward<Args>(args)...);
  }
  /// The part with every setting written out, checked: what config.toml keeps.
  Part resolve(const Part& part) const {
    return {part.name, at(part.name).resolve(part.settings, path_.value_or(part.name))};
  }

  /// For a Part field: {"optimizer", &TrainConfig::optimizer, "...", optimizers().kinds()}. The catalog must outlive
  /// it.
  PartKinds kinds(std::string key = "name") const {
    return {[this] {
              std::vector<PartKind> kinds;
              for (const auto& item : items_) kinds.push_back({item.name, item.about});
              return kinds;
            },
            [this](const std::string& name) -> std::optional<Schema> {
              const auto* item = find(name);
              return item ? std::optional(item->schema) : std::nullopt;
            },
            std::move(key)};
  }

 private:
  std::string what_;
  std::optional<std::string> path_;
  std::vector<Item> items_;
};

}  // namespace hadal
