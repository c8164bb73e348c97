// Numbers as people read them: in the progress display, the report and `hadal doctor`.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace hadal {

/// "0.42 s", "9.8 s", "34 s", "1 min 23 s", "2 h 05 min", "3 d 4 h"; "-" when not finite or negative.
std::string format_duration(double seconds);
/// 1,234,567
std::string format_count(int64_t count);
/// Three digits and a unit: 812, 1.53 k, 85.8 M, 1.2 G.
std::string format_short(double number);
/// Powers of 1024: "812 B", "1.5 KiB", "23.4 GiB".
std::string format_bytes(double bytes);
/// A score or loss in four digits: 0.9812, 12.35, 1234, 1.2e-05, nan.
std::string format_value(double value);

/// 1, 2 or 5 times a power of ten, so that about `wanted` steps cover `span`.
double tick_step(double span, int wanted);
/// A value beside an axis whose ticks are `step` apart: in as many digits as tell neighbours apart.
std::string format_tick(double value, double step);

/// Columns that UTF-8 text takes on a terminal (wide East Asian characters take two, combining marks none).
size_t display_width(std::string_view text);
/// The longest beginning of `text` that takes at most `width` columns.
std::string_view fit_width(std::string_view text, size_t width);

}  // namespace hadal
