#include "hadal/train/progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hadal/core/clock.h"
#include "hadal/core/format.h"
#include "hadal/tasks/task.h"

namespace hadal {
namespace {

constexpr double kRedraw = 0.1;      // seconds
constexpr double kLogFirst = 10;     // seconds between plain lines, growing with the run ...
constexpr double kLogLast = 300;     // ... up to this
constexpr double kRateWindow = 1;    // seconds
constexpr double kSmoothing = 0.97;  // a loss of about the last 30 steps

std::string epoch_text(const RunState& state) {
  const auto all = fmt::format("{}", state.epochs);
  const auto current = std::clamp<int64_t>(std::llround(std::ceil(state.epoch)), 1, std::max<int64_t>(1, state.epochs));
  return fmt::format("epoch {:>{}}/{}", current, all.size(), all);
}

int percent(const RunState& state) { return state.steps > 0 ? static_cast<int>(100 * state.step / state.steps) : 0; }

std::string rate_text(double rate) {
  return rate >= 99.5 ? format_count(std::llround(rate)) + " samples/s" : fmt::format("{:.3g} samples/s", rate);
}

std::string bar(const RunState& state, size_t cells, bool unicode, bool color) {
  const auto share = state.steps > 0 ? static_cast<double>(state.step) / static_cast<double>(state.steps) : 0;
  const auto full = std::min(cells, static_cast<size_t>(share * static_cast<double>(cells) + 1e-9));
  std::string done, rest;
  for (size_t i = 0; i < cells; ++i)
    (i < full ? done : rest) += unicode ? (i < full ? "━" : "─") : (i < full ? "#" : "-");
  return color ? "\x1b[36m" + done + "\x1b[0;2m" + rest + "\x1b[0m" : done + rest;
}

std::string environment(const char* name) {
  const char* text = std::getenv(name);
  return text ? text : "";
}

bool unicode_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    auto text = environment(name);
    if (text.empty()) continue;
    std::erase(text, '-');
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text.find("utf8") != text.npos;
  }
  return false;
}

}  // namespace

std::string progress_bar(const ProgressView& view, size_t width, bool unicode, bool color) {
  constexpr size_t kBarLeast = 8, kBarMost = 30;
  struct Part {
    std::string text;
    int worth;  // what is worth least goes first
  };
  std::vector<Part> parts;
  const auto epoch = epoch_text(view.state);
  parts.push_back({fmt::format("{:>3} %", percent(view.state)), 7});
  for (size_t i = 0; i < view.losses.size(); ++i)
    parts.push_back({view.losses[i].first + ' ' + format_value(view.losses[i].second), i == 0 ? 5 : 1});
  if (view.rate > 0) parts.push_back({rate_text(view.rate), 3});
  if (view.state.skipped > 0) parts.push_back({fmt::format("{} skipped", format_count(view.state.skipped)), 2});
  if (view.left >= 0) parts.push_back({format_duration(view.left) + " left", 6});

  size_t used = display_width(epoch);
  for (const auto& part : parts) used += 2 + display_width(part.text);
  // The bar itself is worth less than the main loss and more than the rate.
  bool has_bar = true;
  const auto needed = [&] { return used + (has_bar ? 2 + kBarLeast : 0); };
  while (needed() > width && (has_bar || !parts.empty())) {
    // The last of the least worth.
    const auto least =
        std::min_element(parts.rbegin(), parts.rend(), [](const Part& a, const Part& b) { return a.worth < b.worth; });
    if (has_bar && (parts.empty() || least->worth > 4)) {
      has_bar = false;
      continue;
    }
    used -= 2 + display_width(least->text);
    parts.erase(std::next(least).base());
  }
  auto out = std::string(fit_width(epoch, width));
  if (has_bar) out += "  " + bar(view.state, std::min(kBarMost, width - used - 2), unicode, color);
  for (const auto& part : parts) out += "  " + part.text;
  return out;
}

std::string progress_line(const ProgressView& view) {
  auto out = fmt::format("{}  step {}/{} ({} %)", epoch_text(view.state), format_count(view.state.step),
                         format_count(view.state.steps), percent(view.state));
  for (const auto& [name, value] : view.losses) out += fmt::format("  {} {}", name, format_value(value));
  if (view.rate > 0) out += "  " + rate_text(view.rate);
  if (view.state.skipped > 0) out += fmt::format("  {} skipped", format_count(view.state.skipped));
  if (view.left >= 0) out += fmt::format("  {} left", format_duration(view.left));
  return out;
}

std::string evaluation_line(const EvaluationEvent& event) {
  auto out = epoch_text(event.state);
  for (const auto& [name, value] : event.values)
    if (name.find('/') != name.npos) out += fmt::format("  {} {:<6}", name, format_value(value));
  out += fmt::format("  {}", format_duration(event.state.seconds));
  return event.best ? out + "  best" : out;
}

DisplayOptions display_options(std::FILE* stream) {
  DisplayOptions options;
  const int descriptor = ::fileno(stream);
  const auto term = environment("TERM");
  options.live = ::isatty(descriptor) == 1 && environment("NO_COLOR").empty() && !term.empty() && term != "dumb";
  options.unicode = unicode_locale();
  options.width = [descriptor]() -> size_t {
    struct winsize size{};
    return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  };
  options.clock = steady_seconds;
  options.write = [stream](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stream);
    std::fflush(stream);
  };
  return options;
}

ProgressDisplay::ProgressDisplay(DisplayOptions options) : options_(std::move(options)) {}
ProgressDisplay::~ProgressDisplay() { clear(); }

void ProgressDisplay::on_start(const RunState& state) {
  view_ = {};
  view_.state = state;
  start_ = last_draw_ = options_.clock();
  first_time_ = -1;
  smoothing_weight_ = 0;
  if (state.step > 0)
    note(fmt::format("going on after step {} of {}", format_count(state.step), format_count(state.steps)));
}

void ProgressDisplay::update(const StepEvent& event, double now) {
  view_.state = event.state;
  if (first_time_ < 0) {
    first_time_ = window_time_ = now, first_step_ = event.state.step, window_samples_ = 0;
  } else {
    window_samples_ += static_cast<double>(event.samples);
    if (const auto span = now - window_time_; span >= kRateWindow || view_.rate == 0) {
      if (span > 0)
        view_.rate = view_.rate == 0 ? window_samples_ / span : 0.6 * view_.rate + 0.4 * window_samples_ / span;
      if (span >= kRateWindow) window_time_ = now, window_samples_ = 0;
    }
  }
  if (const auto done = event.state.step - first_step_; done > 0)
    view_.left =
        (now - first_time_) / static_cast<double>(done) * static_cast<double>(event.state.steps - event.state.step);
  smoothing_weight_ = kSmoothing * smoothing_weight_ + 1;
  if (view_.losses.size() != event.losses.size()) view_.losses = event.losses, smoothing_weight_ = 1;
  for (size_t i = 0; i < event.losses.size(); ++i) {
    auto& [name, value] = view_.losses[i];
    name = event.losses[i].first;
    const auto current = event.losses[i].second;
    // A value that is not finite shows at once and spoils no mean.
    value = std::isfinite(value) && std::isfinite(current) ? value + (current - value) / smoothing_weight_ : current;
  }
}

void ProgressDisplay::on_step(const StepEvent& event) {
  const auto now = options_.clock();
  update(event, now);
  const auto interval = options_.live ? kRedraw : std::clamp((now - start_) / 30, kLogFirst, kLogLast);
  if (now - last_draw_ >= interval) draw(now);
}

void ProgressDisplay::draw(double now) {
  last_draw_ = now;
  if (!options_.live) return options_.write(progress_line(view_) + '\n');
  // A line that fills the last column would wrap on some terminals.
  const auto width = std::max<size_t>(options_.width(), 2) - 1;
  options_.write("\r" + progress_bar(view_, width, options_.unicode, true) + "\x1b[K");
  line_shown_ = true;
}

void ProgressDisplay::on_evaluation(const EvaluationEvent& event) {
  view_.state = event.state;
  note(evaluation_line(event));
  for (const auto& alarm : event.task ? event.task->alarms() : std::vector<std::string>{}) note("  ! " + alarm);
  // The time of an evaluation counts for the time left, not for the rate.
  window_time_ = options_.clock(), window_samples_ = 0;
  if (!options_.live) last_draw_ = window_time_;
}

void ProgressDisplay::on_end(const RunState& state, bool done) {
  const auto steps = format_count(state.step);
  note(done ? fmt::format("{} steps in {}", steps, format_duration(state.seconds))
            : fmt::format("stopped after step {} of {}, {} of training", steps, format_count(state.steps),
                          format_duration(state.seconds)));
}

void ProgressDisplay::note(std::string_view text) {
  clear();
  options_.write(fmt::format("{}\n", text));
}

void ProgressDisplay::clear() {
  if (line_shown_) options_.write("\r\x1b[K");
  line_shown_ = false;
}

}  // namespace hadal
