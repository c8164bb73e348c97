#include "hadal/optim/schedule_pace.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

namespace hadal {
namespace {

constexpr double kLongest = 1e9;  // steps or epochs; a run has no more

bool read_length(const std::string& text, Length& length) {
  const auto* end = text.data() + text.size();
  const auto [after, problem] = std::from_chars(text.data(), end, length.number);
  if (problem != std::errc() || !(length.number >= 0) || !std::isfinite(length.number)) return false;
  auto unit = std::string(after, end);
  unit.erase(0, unit.find_first_not_of(' '));
  if (unit == "step" || unit == "epoch") unit += 's';
  length.unit = unit;
  if (length.number > kLongest) return false;
  if (unit == "epochs") return true;
  return (unit.empty() && length.number < 1) ||
         ((unit.empty() || unit == "steps") && length.number == std::floor(length.number));
}

}  // namespace

std::string Length::text() const {
  return unit.empty() ? fmt::format("{}", number) : fmt::format("{} {}", number, unit);
}

Length Setting<Length>::read(const Value& value, const std::string& path, const Limit&) {
  const auto* word = value.get_if<Word>();
  const auto* text = value.get_if<std::string>();
  Length length;
  if (!read_length(word ? word->text : text ? *text : value.text(), length))
    fail_usage(
        "{} wants a length: a share of the run below 1, a whole number up to 1e9, \"500 steps\" or \"3 epochs\"; got "
        "{}",
        path, word ? "\"" + word->text + "\"" : value.text());
  return length;
}

Value Setting<Length>::write(const Length& length) {
  if (!length.unit.empty()) return length.text();
  if (length.number >= 1) return static_cast<int64_t>(length.number);
  return length.number;
}

int64_t Span::of(const Length& length, const char* name) const {
  double ticks = length.number;
  if (length.unit == "epochs")
    ticks *= static_cast<double>(per_epoch);
  else if (length.unit == "steps")
    require(!epochs, "[schedule] {} = \"{}\" counts steps where the schedule counts epochs; use every = \"step\"", name,
            length.text());
  else if (length.is_share())
    ticks *= static_cast<double>(run);
  if (!length.given()) return 0;
  const auto rounded = std::max<int64_t>(1, std::llround(ticks));
  require(!length.is_share() || this->ticks == 0 || rounded <= std::max<int64_t>(1, this->ticks),
          "[schedule] {} = {} of the run is more than the warm-up leaves, {} of {} {}", name, length.text(),
          this->ticks, run, epochs ? "epochs" : "steps");
  return rounded;
}

int64_t Span::place(const Length& length, const char* name) const {
  require(length.number > 0, "[schedule] {} = {} is where the run begins; it must lie behind that", name,
          length.text());
  if (!length.is_share()) return of(length, name);
  const auto warmup = run - ticks;
  const int64_t at = std::llround(length.number * static_cast<double>(run)) - warmup;
  require(at > 0 || warmup == 0, "[schedule] {} = {} lies within the warm-up", name, length.text());
  return std::max<int64_t>(1, at);
}

int64_t Span::of_or_rest(const Length& length, const char* name) const {
  return length.given() ? of(length, name) : ticks;
}

Span span_of(const Pace& pace, const RunLength& run) {
  const bool epochs = pace.every == "epoch";
  const auto per_epoch = std::max<int64_t>(1, run.steps_per_epoch);
  Span span{.run = epochs ? (run.steps + per_epoch - 1) / per_epoch : run.steps,
            .per_epoch = epochs ? 1 : per_epoch,
            .epochs = epochs};
  if (!pace.warmup.given()) return span.ticks = span.run, span;
  auto warmup = span.of(pace.warmup, "warmup");
  // A share of a tiny run may round up to all of it.
  if (pace.warmup.is_share()) warmup = std::min(warmup, span.run - 1);
  require(warmup < span.run, "[schedule] a warmup of {0} {1} leaves nothing of a run of {2} {1}; use a shorter one",
          warmup, epochs ? "epochs" : "steps", span.run);
  span.ticks = span.run - warmup;
  return span;
}

Schedule on_pace(const Pace& pace, const RunLength& run, TickFormula formula) {
  const auto span = span_of(pace, run);
  const auto per_tick = span.epochs ? std::max<int64_t>(1, run.steps_per_epoch) : 1;
  return {[per_tick, warmup = span.run - span.ticks, formula = std::move(formula)](int64_t step) {
    const auto tick = step / per_tick;
    if (tick >= warmup) return formula(tick - warmup);
    auto rates = formula(0);
    rates.lr_factor *= static_cast<double>(tick + 1) / static_cast<double>(warmup + 1);
    return rates;
  }};
}

double cosine_ramp(double start, double end, double along) {
  return end + (start - end) * 0.5 * (1 + std::cos(std::numbers::pi * along));
}

}  // namespace hadal
