// Errors say where, what came, what was expected, and the way out: "[vit] dim (770) must be divisible by heads (12);
// nearest: 768".
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace hadal {

/// Something failed at run time; the program ends with exit code 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Hadal was asked for something it cannot do: a wrong key, value or name; the program ends with exit code 2.
struct UsageError : Error {
  using Error::Error;
};

/// A file is not what it should be. `where` is its name, with an offset or line when there is one.
struct FileError : Error {
  FileError(std::string_view where, std::string_view what) : Error(fmt::format("{}: {}", where, what)) {}
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(fmt::format(text, std::forward<Args>(args)...));
}

template <class... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> text, Args&&... args) {
  throw UsageError(fmt::format(text, std::forward<Args>(args)...));
}

/// Throws UsageError with the formatted text unless `condition` holds.
template <class... Args>
void require(bool condition, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) throw UsageError(fmt::format(text, std::forward<Args>(args)...));
}

/// The multiple of `step` nearest to `value`, at least one step: for error messages that name the way out.
int64_t nearest_multiple(int64_t value, int64_t step);

/// The up to `most` candidates that resemble `word` (edit distance, prefixes), best first.
std::vector<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates, size_t most = 3);

/// "; nearest: a, b" for the end of an error about an unknown name, or "; known: ..." when nothing resembles it.
std::string suggest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace hadal
