// What all tasks of generative models share: their data, the judge of their samples, and the pictures of the report.
#pragma once
#include <optional>

#include "hadal/tasks/making/picture_set.h"
#include "hadal/tasks/making/sample_judge.h"
#include "hadal/tasks/task.h"

namespace hadal {

struct MakingConfig {
  Part data{"auto", {}};
  bool conditional = false;
  double hflip = 0;
  JudgeConfig judge;
  int64_t shown = 100;

  static Fields<MakingConfig> fields();
};

/// The fields of a task's config that is a maker's and a MakingConfig: the maker's, then these, then its own.
template <class C, class Base>
Fields<C> making_fields(const Fields<Base>& maker, std::initializer_list<typename Fields<C>::Item> own) {
  Fields<C> out(maker, {});
  const Fields<C> making(MakingConfig::fields(), own);
  out.list.insert(out.list.end(), making.list.begin(), making.list.end());
  return out;
}

class MakingTask : public Task {
 public:
  std::vector<std::string> splits() const override { return set_.splits(); }
  Table learned() const override { return write_config(learned_); }
  Batches& batches() override { return *batches_; }
  std::vector<Score> scores() const override;
  std::string goal() const override { return judge_ ? "frechet" : "loss"; }
  /// What the judge says of samples; a kind of model adds what it can say of data.
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<Figure> figures() override;
  std::string summary() const override;
  TensorsByName state() const override;
  void load_state(const TensorsByName& state) override;

 protected:
  /// `config` gets all settings of its data.
  MakingTask(MakingConfig& config, const TaskContext& context);
  /// Once the maker is there: how pictures come, the judge, the loader. `change` is done to a batch by its thread.
  void begin(PictureMaker& maker, const std::function<void(PictureBatch&)>& change = {});
  /// The labels of a batch as the maker numbers them; undefined where it has no classes.
  Tensor labels(const PictureBatch& batch) const { return by_class() ? batch.labels : Tensor(); }
  bool by_class() const { return maker_ && !maker_->names().empty(); }
  /// Of the split that is scored, batch by batch, on the device.
  void each_real(const std::string& split, int64_t limit, const std::function<void(PictureBatch&)>& change,
                 const std::function<void(const PictureBatch&)>& take);

  /// A figure: pictures of the split, and below them what `back` makes of them, both in the maker's range.
  PictureGrid there_and_back(const std::string& split, const std::function<void(PictureBatch&)>& change,
                             const std::function<Tensor(const PictureBatch&)>& back);

  TaskContext context_;
  PictureSet set_;  // settles the data's settings
  MakingConfig making_;
  LearnedClasses learned_;
  PictureMaker* maker_ = nullptr;
  std::optional<SampleJudge> judge_;

 private:
  PictureGrid neighbours(const Tensor& samples);
  std::vector<int64_t> places_of(const ClassificationData& data) const;

  std::vector<Tensor> along_;  // a row of samples from each evaluation, always of the same noise
  std::optional<LoadedBatches<PictureBatch>> batches_;

 protected:
  const PictureBatch& batch() const { return batches_->current(); }
};

}  // namespace hadal
