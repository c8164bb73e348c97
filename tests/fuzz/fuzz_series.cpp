#include "hadal/data/series/series.h"

#include "tests/fuzz/fuzz.h"

namespace {
// The first byte says whether rows keep an even step.
void read(std::string_view text) {
  const bool even = text.empty() || text[0] % 2 == 0;
  auto series = hadal::parse_series(text, "input", {.even = even});
  const auto length = series.length();
  if (series.times.size() != static_cast<size_t>(length)) __builtin_trap();
  hadal::fill_holes(series, 24, length / 2);
  hadal::calendar_features(series, 0, length + 100);
  series.date(length + 100);
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
