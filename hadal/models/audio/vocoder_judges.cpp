#include "hadal/models/audio/vocoder_judges.h"

#include "hadal/core/shape.h"
#include "hadal/nn/init.h"
#include "hadal/ops/stft.h"

namespace hadal {
namespace {

constexpr double kSlope = 0.1;

/// Convolutions with rectifiers, then one to a logit for each place. Modules: convs, conv_post.
struct JudgeNet : nn::Module {
  /// (B, 1, H, W) -> logits; `features` gets what the layers from `first` on give.
  Tensor judge(Tensor x, size_t first, std::vector<Tensor>& features) {
    for (size_t i = 0; i < convs->size(); ++i) {
      x = torch::leaky_relu((*convs)[i]->as<WeightNormConv2dImpl>()->forward(x), kSlope);
      if (i >= first) features.push_back(x);
    }
    x = conv_post(x);
    features.push_back(x);
    return x.flatten(1);
  }

  nn::ModuleList convs;
  WeightNormConv2d conv_post{nullptr};
};

struct PeriodJudge : JudgeNet {
  PeriodJudge(int64_t every, int64_t width) : period(every) {
    int64_t in = 1;
    for (const int64_t times : {1, 4, 16, 32, 32}) {
      const int64_t stride = in == 32 * width ? 1 : 3;
      convs->push_back(WeightNormConv2d(in, times * width, at::IntArrayRef{5, 1}, at::IntArrayRef{stride, 1}));
      in = times * width;
    }
    register_module("convs", convs);
    conv_post = register_module("conv_post", WeightNormConv2d(in, 1, at::IntArrayRef{3, 1}, at::IntArrayRef{1, 1}));
  }
  Tensor forward(const Tensor& sound, std::vector<Tensor>& features) {
    auto x = sound.unsqueeze(1);
    const auto missing = (period - x.size(2) % period) % period;
    if (missing > 0) x = torch::reflection_pad1d(x, {0, missing});
    return judge(x.view({x.size(0), 1, -1, period}), 1, features);
  }

  int64_t period;
};

struct WindowJudge : JudgeNet {
  WindowJudge(int64_t points, int64_t width)
      : shape{.window = points, .hop = points / 4, .taper = StftShape::Taper::none} {
    const auto add = [&](int64_t in, at::IntArrayRef kernel, at::IntArrayRef stride) {
      convs->push_back(WeightNormConv2d(in, width, kernel, stride));
    };
    add(1, {7, 5}, {2, 2}), add(width, {5, 3}, {2, 1}), add(width, {5, 3}, {2, 2}), add(width, {3, 3}, {2, 1}),
        add(width, {3, 3}, {2, 2});
    register_module("convs", convs);
    conv_post = register_module("conv_post", WeightNormConv2d(width, 1, at::IntArrayRef{3, 3}, at::IntArrayRef{1, 1}));
  }
  Tensor forward(const Tensor& sound, std::vector<Tensor>& features) {
    return judge(stft(sound, shape).abs().unsqueeze(1), 0, features);
  }

  StftShape shape;
};

template <class Loss>
Tensor mean_over(const Judged& of, const Judged& with, const char* where, Loss loss) {
  if (of.logits.empty() || of.logits.size() != with.logits.size())
    fail("[{}] {} nets judged the one sound and {} the other", where, of.logits.size(), with.logits.size());
  Tensor sum;
  for (size_t i = 0; i < of.logits.size(); ++i) {
    const auto term = loss(i);
    sum = sum.defined() ? sum + term : term;
  }
  return sum / static_cast<double>(of.logits.size());
}

}  // namespace

Fields<VocoderJudgesConfig> VocoderJudgesConfig::fields() {
  using C = VocoderJudgesConfig;
  return {{"periods", &C::periods, "nets that look at every n-th sample", at_least(1)},
          {"windows", &C::windows, "nets that look at a spectrogram of such windows", at_least(16)},
          {"period_width", &C::period_width,
           "channels of the former's first layer; later ones have up to 32 times as many", at_least(1)},
          {"window_width", &C::window_width, "channels of the latter", at_least(1)}};
}

void VocoderJudgesConfig::validate() const {
  require(!periods.empty() || !windows.empty(), "[vocoder_judges] periods and windows are empty: nobody judges");
}

WeightNormConv2dImpl::WeightNormConv2dImpl(int64_t in, int64_t out, at::IntArrayRef kernel, at::IntArrayRef stride)
    : stride_(stride.vec()), padding_{kernel[0] / 2, kernel[1] / 2} {
  bias_ = register_parameter("bias", torch::empty({out}));
  auto direction = torch::empty({out, in, kernel[0], kernel[1]});
  init::linear(direction.flatten(1), bias_);
  g_ = register_parameter("weight_g", direction.flatten(1).norm(2, 1).view({out, 1, 1, 1}));
  v_ = register_parameter("weight_v", direction);
}

Tensor WeightNormConv2dImpl::forward(const Tensor& x) {
  return torch::conv2d(x, torch::_weight_norm(v_, g_, 0), bias_, stride_, padding_);
}

VocoderJudgesImpl::VocoderJudgesImpl(const VocoderJudgesConfig& config) : config_(config) {
  validate_config(config, "vocoder_judges");
  for (const auto period : config.periods)
    periods_->push_back(std::make_shared<PeriodJudge>(period, config.period_width));
  for (const auto window : config.windows)
    windows_->push_back(std::make_shared<WindowJudge>(window, config.window_width));
  const auto add = [&](const char* name, const nn::ModuleList& nets) {
    auto holder = std::make_shared<nn::Module>();
    holder->register_module("discriminators", nets.ptr());
    register_module(name, holder);
  };
  add("multiperioddisc", periods_), add("multiresddisc", windows_);
}

Judged VocoderJudgesImpl::forward(const Tensor& sound) {
  expect_shape("vocoder_judges", sound, {kAny, kAny});
  for (const auto window : config_.windows)
    if (sound.size(1) <= window / 2)
      fail("[vocoder_judges] a sound of {} samples is too short for a window of {}", sound.size(1), window);
  Judged out;
  const auto ask = [&](auto& net) {
    out.features.emplace_back();
    out.logits.push_back(net.forward(sound, out.features.back()));
  };
  for (const auto& net : *periods_) {
    auto& judge = *net->as<PeriodJudge>();
    if (sound.size(1) < judge.period)
      fail("[vocoder_judges] a sound of {} samples is too short for a period of {}", sound.size(1), judge.period);
    ask(judge);
  }
  for (const auto& net : *windows_) ask(*net->as<WindowJudge>());
  return out;
}

Tensor judges_loss(GanLoss kind, const Judged& real, const Judged& made) {
  return mean_over(real, made, "judges_loss",
                   [&](size_t i) { return discriminator_loss(kind, real.logits[i], made.logits[i]); });
}

Tensor vocoder_loss(GanLoss kind, const Judged& made, const Judged& real) {
  return mean_over(made, real, "vocoder_loss",
                   [&](size_t i) { return generator_loss(kind, made.logits[i], real.logits[i].detach()); });
}

Tensor feature_matching_loss(const Judged& real, const Judged& made) {
  return mean_over(real, made, "feature_matching_loss", [&](size_t i) {
    Tensor sum;
    for (size_t layer = 0; layer < real.features[i].size(); ++layer) {
      const auto term = (made.features[i][layer] - real.features[i][layer].detach()).abs().mean();
      sum = sum.defined() ? sum + term : term;
    }
    return sum;
  });
}

}  // namespace hadal
