// How far a verb is, on a terminal.
#pragma once
#include <chrono>
#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "hadal/core/format.h"

namespace hadal::cli {

/// A line that renews itself on a terminal; nothing in a log.
class Bar {
 public:
  explicit Bar(std::string what) : what_(std::move(what)), live_(isatty(STDERR_FILENO) != 0) {}
  ~Bar() {
    if (shown_) std::fputs("\r\033[K", stderr);
  }
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;
  void show(int64_t done, int64_t of) {
    const auto now = std::chrono::steady_clock::now();
    if (!live_ || (shown_ && done < of && now - last_ < std::chrono::milliseconds(100))) return;
    last_ = now, shown_ = true;
    const auto width = static_cast<size_t>(of > 0 ? 30 * done / of : 0);
    std::fputs(
        fmt::format("\r[{:-<30}] {} of {} {}", std::string(width, '#'), format_count(done), format_count(of), what_)
            .c_str(),
        stderr);
    std::fflush(stderr);
  }

 private:
  std::string what_;
  bool live_, shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace hadal::cli
