#include "hadal/train/run_files.h"

#include <cmath>

#include "hadal/core/clock.h"
#include "hadal/core/machine.h"
#include "hadal/io/draw.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/io/sound.h"
#include "hadal/report/report.h"
#include "hadal/report/schedule_curve.h"
#include "hadal/train/run.h"

namespace hadal {
namespace {

/// From which step on a resumed run's events begin anew. The checkpoint's own step is done; a run without a checkpoint
/// begins again from nothing.
std::optional<int64_t> purge_step(int64_t step, bool resumed) {
  if (!resumed) return std::nullopt;
  return step > 0 ? step + 1 : 0;
}

}  // namespace

RunFiles::RunFiles(std::filesystem::path folder, const Recipe& recipe, Task& task, std::string config,
                   const Trainer& trainer, bool resumed)
    : folder_(std::move(folder)),
      task_(task),
      recipe_(recipe),
      config_(std::move(config)),
      machine_(machine_line()),
      history_(folder_ / "metrics.csv", trainer.state().step > 0 ? trainer.state().step : -1),
      board_(folder_ / "tensorboard", purge_step(trainer.state().step, resumed)),
      schedule_(schedule_curves(trainer.schedule(), trainer.lr(), trainer.state().steps)),
      state_(trainer.state()),
      speed_(recipe.train.device, recipe.train.precision) {
  if (state_.step == 0) board_.verbatim(0, "config", config_);
}

void RunFiles::on_step(const StepEvent& event) {
  speed_.on_step(event);
  state_ = event.state;
  if (event.state.step % 10 != 0) return;
  Metrics values;
  for (const auto& [name, value] : event.losses) values.emplace_back("train/" + name + "_step", value);
  values.emplace_back("lr", event.lr);
  values.insert(values.end(), event.grad_norms.begin(), event.grad_norms.end());
  board_.scalars(event.state.step, values);
}

void RunFiles::on_evaluation(const EvaluationEvent& event) {
  state_ = event.state;
  history_.append({event.state.step, event.state.epoch, event.state.seconds, event.values});
  Metrics scores;
  for (const auto& item : event.values)
    if (item.first.find('/') != std::string::npos) scores.push_back(item);
  board_.scalars(event.state.step, scores);
  evaluated_ = true;
  // The pictures of a run that is over are those of the test split, where there is one.
  const bool last = event.state.step >= event.state.steps && task_.has_split("test");
  const bool drawn = !last && (event.best || figures_.empty()) && draw_figures(event.state.step);
  if (event.best) has_best_figures_ = drawn;
  // From the rows: in a resumed run the best may be of an earlier sitting.
  const auto goal = task_.goal();
  const auto* best = best_row(history_.rows(), "val/" + goal, task_.higher_is_better(goal));
  write(RunResult{false, best ? best->values : event.values, event.values, event.state.seconds});
  speed_.on_evaluation(event);
}

/// False where a wish to end was heard on the way: the pictures before stay.
bool RunFiles::draw_figures(int64_t step) {
  try {
    figures_ = task_.figures();
  } catch (const Stopped&) {
    return false;
  }
  show_figures(step);
  return true;
}

void RunFiles::on_end(const RunState& state, bool done) {
  speed_.on_end(state, done);
  ended_at_ = steady_seconds();
}

/// Grids of pictures, and sounds, go to TensorBoard too.
void RunFiles::show_figures(int64_t step) {
  show_sounds(step);
  if (!has_image_formats()) return;
  for (const auto& figure : figures_) {
    const auto* grid = std::get_if<PictureGrid>(&figure);
    if (!grid || grid->items.empty()) continue;
    std::vector<GridCell> cells;
    for (const auto& item : grid->items) cells.push_back({item.image, item.caption});
    const auto picture = picture_grid(cells);
    board_.image(step, grid->title, encode_png(picture), picture.size(0), picture.size(1), picture.size(2));
  }
}

void RunFiles::show_sounds(int64_t step) {
  if (!has_sound_formats()) return;
  for (const auto& figure : figures_)
    if (const auto* sounds = std::get_if<SoundFigure>(&figure))
      for (size_t i = 0; i < sounds->items.size(); ++i) {
        const auto& [samples, rate, caption, good] = sounds->items[i];
        board_.sound(step, fmt::format("{}/{} {}", sounds->title, i + 1, caption),
                     encode_wav(samples.nan_to_num(0, 0, 0), rate), rate, 1, samples.size(0));
      }
}

double RunFiles::finish(const RunResult& result) {
  // Stopped before anything was measured: the report of the sitting before has the pictures, this one has none.
  if (!result.done && !evaluated_ && std::filesystem::exists(folder_ / "report.html")) return 0;
  if (result.done && (task_.has_split("test") || !has_best_figures_)) {
    figures_ = task_.figures();
    if (evaluated_ && !has_best_figures_) show_figures(state_.step);
  }
  write(result);
  return steady_seconds() - ended_at_;
}

void RunFiles::write(const RunResult& result) {
  write_file(folder_ / "metrics.json", metrics_json(result.best, result.last));
  const auto goal = task_.goal();
  ReportInput report{
      .title = recipe_.name,
      .about = recipe_.about,
      .goal = "val/" + goal,
      .higher_is_better = task_.higher_is_better(goal),
      .facts = {{"Model and data", task_.summary()},
                {"Trained",
                 fmt::format("{} of {} steps, {:.1f} epochs, {:.1f} minutes{}", state_.step, state_.steps, state_.epoch,
                             state_.seconds / 60, result.done ? after_text(steady_seconds() - ended_at_) : " so far")}},
      .rows = history_.rows(),
      .schedule = schedule_,
      .best = result.best,
      .last = result.last,
      .figures = figures_,
      .config = config_,
      .machine = {machine_},
      .encode_png = has_image_formats() ? std::function<std::string(const Tensor&)>(encode_png) : nullptr,
      .encode_wav = has_sound_formats() ? [](const Tensor& samples, int64_t rate) { return encode_wav(samples, rate); }
                                        : std::function<std::string(const Tensor&, int64_t)>()};
  if (const auto speed = speed_.text(); !speed.empty()) report.facts.emplace_back("Speed", speed);
  if (result.done)
    for (const auto& promise : promises_of(recipe_.reaches, result))
      report.facts.emplace_back(fmt::format("Asked: {}", promise.name),
                                std::isnan(promise.reached)
                                    ? fmt::format("{:.4g}, not measured", promise.asked)
                                    : fmt::format("{:.4g}, {} with {:.4g}", promise.asked,
                                                  promise.kept ? "reached" : "missed", promise.reached));
  write_file(folder_ / "report.html", make_report(report));
}

}  // namespace hadal
