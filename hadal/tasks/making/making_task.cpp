#include "hadal/tasks/making/making_task.h"

#include <algorithm>

#include "hadal/core/format.h"

namespace hadal {
namespace {

constexpr int64_t kRow = 10;        // samples of a row
constexpr int64_t kRows = 12;       // of evaluations that are shown
constexpr int64_t kAmong = 10'000;  // training pictures that samples are compared with

std::vector<Tensor> unbound(const Tensor& pictures) {
  std::vector<Tensor> out;
  for (const auto& picture : pictures.unbind()) out.push_back(picture.contiguous());
  return out;
}

/// The data's labels as the maker numbers them; as they are where `places` is empty.
void number_as(const std::vector<int64_t>& places, PictureBatch& batch) {
  auto* labels = batch.labels.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < batch.labels.size(0) && !places.empty(); ++i)
    labels[i] = places.at(static_cast<size_t>(labels[i]));
}

PictureGrid one_picture(const std::string& title, const Tensor& picture, const std::string& caption = "") {
  return {title, {{picture, caption, {}}}};
}

}  // namespace

Fields<MakingConfig> MakingConfig::fields() {
  using C = MakingConfig;
  return {{"data", &C::data, "where pictures come from", classification_sources().kinds("kind")},
          {"conditional", &C::conditional, "learn the data's classes too, so that one can be asked for"},
          {"hflip", &C::hflip, "how often left and right change", between(0, 1)},
          {"judge", &C::judge, "who scores samples"},
          {"shown", &C::shown, "samples of the report's grid", between(1, 400)}};
}

MakingTask::MakingTask(MakingConfig& config, const TaskContext& context)
    : context_(context), set_(config.data, context), making_(config), learned_(LearnedClasses::from(context.learned)) {
  if (context.learns) learned_ = {set_.classes(), set_.classes()};
}

std::vector<int64_t> MakingTask::places_of(const ClassificationData& data) const {
  return by_class() ? match_classes(data.classes(), maker_->names(), learned_) : std::vector<int64_t>{};
}

void MakingTask::begin(PictureMaker& maker, const std::function<void(PictureBatch&)>& change) {
  maker_ = &maker;
  set_.prepare(maker.pictures(), maker.range(), making_.hflip);
  if (!making_.judge.weights.empty())
    judge_.emplace(making_.judge, context_, set_.channels(),
                   by_class()               ? maker.names()
                   : learned_.names.empty() ? set_.classes()
                                            : learned_.names,
                   by_class());
  if (!context_.learns) return;
  batches_.emplace(shuffled(set_.train().size(), context_.batch, context_.seed), context_.workers, context_.device,
                   [this, change](const BatchPlan& plan) {
                     auto batch = set_.batch(set_.train(), plan, true);
                     if (change) change(batch);
                     return batch;
                   });
}

void MakingTask::each_real(const std::string& split, int64_t limit, const std::function<void(PictureBatch&)>& change,
                           const std::function<void(const PictureBatch&)>& take) {
  const auto data = set_.open(split);
  const auto places = places_of(*data);
  each_batch<PictureBatch>(
      model(), scored_samples(data->size(), limit, context_.batch), context_,
      [&](const BatchPlan& plan) {
        auto batch = set_.batch(*data, plan, false);
        number_as(places, batch);
        if (change) change(batch);
        return batch;
      },
      take);
}

std::vector<Score> MakingTask::scores() const { return judge_ ? judge_->scores() : std::vector<Score>{}; }

Metrics MakingTask::evaluate(const std::string& split, int64_t limit) {
  Metrics out;
  if (judge_) {
    auto count = split == "val" && context_.learns ? making_.judge.quick : making_.judge.samples;
    if (limit > 0) count = std::min(count, std::max<int64_t>(2, limit));
    out = judge_->score(*maker_, set_, split, count, context_.seed);
  }
  if (!context_.learns) return out;
  const auto making = maker_->making({{"n", kRow}, {"layout", "grid"}});
  along_.push_back(maker_->as_pictures(maker_->samples(making)));
  return out;
}

TensorsByName MakingTask::state() const {
  TensorsByName out;
  for (size_t i = 0; i < along_.size(); ++i) out.emplace_back(fmt::format("along.{}", i), along_[i]);
  return out;
}

void MakingTask::load_state(const TensorsByName& state) {
  along_.resize(static_cast<size_t>(
      std::count_if(state.begin(), state.end(), [](const auto& item) { return item.first.starts_with("along."); })));
  for (size_t i = 0; i < along_.size(); ++i)
    for (const auto& [name, row] : state)
      if (name == fmt::format("along.{}", i)) along_[i] = row.clone();
}

/// The training pictures that are nearest to samples: a net that copies is seen.
PictureGrid MakingTask::neighbours(const Tensor& samples) {
  const auto data = set_.open("train");
  const auto order = scored_samples(data->size(), kAmong, 1).order(0);
  const auto batch = set_.batch(*data, order);
  const auto real = maker_->as_pictures(batch.pictures);
  const auto features = [&](const Tensor& pictures) {
    return judge_ ? judge_->look(pictures).features : pictures.flatten(1).to(torch::kFloat32);
  };
  const auto near = nearest_neighbours(features(samples), features(real), 3).index;
  std::vector<Tensor> cells;
  for (int64_t i = 0; i < samples.size(0); ++i) {
    cells.push_back(samples[i].contiguous());
    for (int64_t k = 0; k < near.size(1); ++k) cells.push_back(real[near[i][k].item<int64_t>()].contiguous());
  }
  return one_picture("Samples (left) and the training pictures nearest to them", plain_grid(cells, 4));
}

PictureGrid MakingTask::there_and_back(const std::string& split, const std::function<void(PictureBatch&)>& change,
                                       const std::function<Tensor(const PictureBatch&)>& back) {
  const auto data = set_.open(split.empty() ? set_.splits().front() : split);
  auto batch = set_.batch(*data, scored_samples(data->size(), 2 * kRow, 1).order(0));
  number_as(places_of(*data), batch);
  if (change) change(batch);
  const Using guard(model(), context_);
  batch = moved(std::move(batch), context_.device);
  const auto truth = maker_->as_pictures(batch.pictures), again = maker_->as_pictures(back(batch));
  std::vector<Tensor> cells;
  for (int64_t first = 0; first < truth.size(0); first += kRow)
    for (const auto& rows : {truth, again})
      for (int64_t i = first; i < std::min(first + kRow, truth.size(0)); ++i) cells.push_back(rows[i].contiguous());
  return one_picture("Pictures, and below them what became of them", plain_grid(cells, kRow));
}

std::vector<Figure> MakingTask::figures() {
  const auto some = [&](Table options) {
    options.set("layout", "grid");
    return maker_->as_pictures(maker_->samples(maker_->making(options)));
  };
  std::vector<Figure> out;
  const auto columns = by_class() ? std::min<int64_t>(std::ssize(maker_->names()), 20) : 0;
  const auto samples = some({{"n", making_.shown}});
  out.push_back(one_picture("Samples", plain_grid(unbound(samples), columns)));
  std::vector<Tensor> rows;
  const auto count = std::ssize(along_), rows_shown = std::min(count, kRows);
  for (int64_t i = 0; i < rows_shown; ++i)  // evenly spread, the last one among them
    for (auto& picture : unbound(along_[static_cast<size_t>((i + 1) * count / rows_shown - 1)]))
      rows.push_back(picture);
  if (rows_shown > 1) out.push_back(one_picture("The same noise along the run", plain_grid(rows, kRow)));
  out.push_back(one_picture("Walks from sample to sample", plain_grid(unbound(some({{"n", 5}, {"walk", 10}})), 10)));
  if (has_split("train")) out.push_back(neighbours(samples.slice(0, 0, std::min<int64_t>(8, samples.size(0)))));
  return out;
}

std::string MakingTask::summary() const {
  auto text = maker_->summary();
  if (context_.learns) text += fmt::format("; {} training pictures", format_count(set_.train().size()));
  if (const auto resizing = set_.resizing(maker_->pictures().height); !resizing.empty()) text += "; " + resizing;
  if (judge_) text += "; " + judge_->summary();
  if (!judge_ && !context_.learns) text += kNoJudge;
  if (!set_.remark().empty()) text += "; " + set_.remark();
  return text;
}

}  // namespace hadal
