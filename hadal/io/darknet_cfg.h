// A network as Darknet describes it (https://github.com/AlexeyAB/darknet): sections, each a layer, of `key=value`
// lines.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/core/error.h"

namespace hadal {

/// `[convolutional]` and the lines below it. What reads a value throws FileError with file and line where it is none.
struct CfgSection {
  struct Entry {
    std::string key, value;
    int64_t line;
  };
  std::string file, kind;
  int64_t line = 0;
  std::vector<Entry> entries;

  /// The first of that name, as Darknet takes it; nullptr: none.
  const Entry* find(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t otherwise, int64_t low, int64_t high) const;
  double number(std::string_view key, double otherwise, double low, double high) const;
  std::string text(std::string_view key, std::string_view otherwise) const;
  /// Comma-separated; empty where there is no such key.
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;

  /// Throws FileError, "yolo.cfg, line 7: [convolutional] ...".
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    refuse_at(line, fmt::format(text, std::forward<Args>(args)...));
  }
  [[noreturn]] void refuse_at(int64_t at, const std::string& text) const;
};

/// Sections in order, `[net]` first, at least one layer after it; comments and spaces are gone. `name` is for messages.
/// Throws FileError with the line where the text is no such description, is longer than 1 MiB or has over 4,096 layers.
std::vector<CfgSection> read_darknet_cfg(std::string_view text, const std::string& name);

/// The same sections as text again, a line each.
std::string darknet_cfg_text(const std::vector<CfgSection>& sections);

}  // namespace hadal
