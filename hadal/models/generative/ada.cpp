#include "hadal/models/generative/ada.h"

#include <cmath>
#include <numbers>

#include <torch/csrc/autograd/custom_function.h>

#include "hadal/core/precision.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
constexpr double kPi = std::numbers::pi;
constexpr auto kDouble = torch::kFloat64;

constexpr int64_t kBilinear = 0, kMirrored = 2;  // the operator's numbers for modes

/// Sampling is linear in the picture, so its gradient's gradient is sampling again; LibTorch's own stops at the first.
struct SampleBack;
struct Sample : torch::autograd::Function<Sample> {
  static Tensor forward(AutogradContext* context, const Tensor& picture, const Tensor& grid);
  static variable_list backward(AutogradContext* context, variable_list gradients);
};
struct SampleBack : torch::autograd::Function<SampleBack> {
  static Tensor forward(AutogradContext* context, const Tensor& gradient, const Tensor& picture, const Tensor& grid) {
    context->save_for_backward({grid});
    at::AutoDispatchBelowADInplaceOrView below;
    return std::get<0>(
        at::grid_sampler_2d_backward(gradient, picture, grid, kBilinear, kMirrored, false, {true, false}));
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {Sample::apply(gradients[0], context->get_saved_variables()[0]), Tensor(), Tensor()};
  }
};

Tensor Sample::forward(AutogradContext* context, const Tensor& picture, const Tensor& grid) {
  context->save_for_backward({picture, grid});
  at::AutoDispatchBelowADInplaceOrView below;
  return at::grid_sampler_2d(picture, grid, kBilinear, kMirrored, false);
}

variable_list Sample::backward(AutogradContext* context, variable_list gradients) {
  const auto saved = context->get_saved_variables();
  return {SampleBack::apply(gradients[0], saved[0].detach(), saved[1]), Tensor()};
}

/// Rows of a matrix from entries (N) or numbers.
struct Entry {
  Entry(const Tensor& tensor) : tensor(tensor) {}  // NOLINT: a matrix reads as its entries
  Entry(double number) : number(number) {}         // NOLINT
  Tensor tensor;
  double number = 0;
};
Tensor matrix(const Tensor& like, const std::vector<std::vector<Entry>>& rows) {
  std::vector<Tensor> lines;
  for (const auto& row : rows) {
    std::vector<Tensor> line;
    for (const auto& entry : row)
      line.push_back(entry.tensor.defined() ? entry.tensor : torch::full_like(like, entry.number));
    lines.push_back(torch::stack(line, -1));
  }
  return torch::stack(lines, -2);  // (N, rows, columns)
}

Tensor scaling(const Tensor& x, const Tensor& y) { return matrix(x, {{x, 0, 0}, {0, y, 0}, {0, 0, 1}}); }
Tensor rotation(const Tensor& angle) {
  const auto c = angle.cos(), s = angle.sin();
  return matrix(angle, {{c, -s, 0}, {s, c, 0}, {0, 0, 1}});
}
Tensor translation(const Tensor& x, const Tensor& y) { return matrix(x, {{1, 0, x}, {0, 1, y}, {0, 0, 1}}); }

/// Colours' matrices are (N, 4, 4), on (R, G, B, 1).
Tensor colour_matrix(const Tensor& linear, const Tensor& added) {
  const auto top = torch::cat({linear, added.view({-1, 1, 1}).expand({-1, 3, 1})}, 2);
  return torch::cat({top, torch::tensor({0., 0., 0., 1.}, kDouble).expand({added.size(0), 1, 4})}, 1);
}
Tensor times_identity(const Tensor& factor) { return torch::eye(3, kDouble) * factor.view({-1, 1, 1}); }

}  // namespace

Fields<AdaConfig> AdaConfig::fields() {
  return {{"flip", &AdaConfig::flip, "mirror: 0 off, 1 on", between(0, 1)},
          {"turn", &AdaConfig::turn, "quarter turns: 0 off, 1 on", between(0, 1)},
          {"shift", &AdaConfig::shift, "shift by whole pixels, share of the side at most", between(0, 1)},
          {"scale", &AdaConfig::scale, "spread of the size's logarithm, base 2", at_least(0)},
          {"rotate", &AdaConfig::rotate, "rotation, share of a half turn at most", between(0, 1)},
          {"stretch", &AdaConfig::stretch, "spread of width against height, logarithm, base 2", at_least(0)},
          {"move", &AdaConfig::move, "spread of shifts between pixels, share of the side", at_least(0)},
          {"brightness", &AdaConfig::brightness, "spread of what is added to all colours", at_least(0)},
          {"contrast", &AdaConfig::contrast, "spread of the contrast's logarithm, base 2", at_least(0)},
          {"luma", &AdaConfig::luma, "light for dark: 0 off, 1 on", between(0, 1)},
          {"hue", &AdaConfig::hue, "turn of the hue, share of a half turn at most", between(0, 1)},
          {"saturation", &AdaConfig::saturation, "spread of the saturation's logarithm, base 2", at_least(0)},
          {"first", &AdaConfig::first, "probability of each change at the start", between(0, 1)},
          {"target", &AdaConfig::target, "mean sign of the logits of real pictures that is aimed at", between(-1, 1)},
          {"pictures", &AdaConfig::pictures, "real pictures in which the probability could go from 0 to 1", above(0)},
          {"every", &AdaConfig::every, "steps between two moves of the probability", at_least(1)}};
}

AdaChanges draw_ada(const AdaConfig& config, double p, int64_t count, const Random& random) {
  constexpr int64_t kColumns = 15;
  const auto table = torch::empty({count, kColumns}, kDouble);
  for (int64_t i = 0; i < count; ++i) {
    auto own = random.split(static_cast<uint64_t>(i));
    auto* row = table.mutable_data_ptr<double>() + i * kColumns;
    // Each number is drawn whether it is used or not, so that no change moves the others' draws.
    const auto put = [&](double chance, double changed, double spared) {
      *row++ = own.chance(chance) ? changed : spared;
    };
    const auto normal = [&](double spread) { return own.normal() * spread; };
    const auto about = [&](double most) { return own.uniform(-most, most); };
    const auto whole = [&](double on, int64_t n) {
      const auto drawn = static_cast<double>(own.below(n));
      return on > 0 ? drawn : 0;
    };
    const auto rotating = 1 - std::sqrt(1 - p);  // two rotations: one of them or both happen with p
    put(p, whole(config.flip, 2), 0);
    put(p, whole(config.turn, 4), 0);
    const bool shifts = own.chance(p);
    for (int axis = 0; axis < 2; ++axis) put(shifts, about(config.shift), 0);
    put(p, std::exp2(normal(config.scale)), 1);
    put(rotating, about(kPi * config.rotate), 0);
    put(p, std::exp2(normal(config.stretch)), 1);
    put(rotating, about(kPi * config.rotate), 0);
    const bool moves = own.chance(p);
    for (int axis = 0; axis < 2; ++axis) put(moves, normal(config.move), 0);
    put(p, normal(config.brightness), 0);
    put(p, std::exp2(normal(config.contrast)), 1);
    put(p, whole(config.luma, 2), 0);
    put(p, about(kPi * config.hue), 0);
    put(p, std::exp2(normal(config.saturation)), 1);
  }
  const auto column = [&](int64_t i) { return table.select(1, i); };
  return {.flip = column(0),
          .turns = column(1),
          .shift = table.slice(1, 2, 4),
          .scale = column(4),
          .rotate = column(5),
          .rotate2 = column(7),
          .stretch = column(6),
          .move = table.slice(1, 8, 10),
          .brightness = column(10),
          .contrast = column(11),
          .luma = column(12),
          .hue = column(13),
          .saturation = column(14)};
}

Tensor ada_geometry(const AdaChanges& changes, int64_t height, int64_t width) {
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  const auto x = [](const Tensor& pair) { return pair.select(1, 0); };
  const auto y = [](const Tensor& pair) { return pair.select(1, 1); };
  // Each factor undoes one change, in pixels around the middle; the first change is undone last.
  auto back = scaling(1 - 2 * changes.flip, torch::ones_like(changes.flip));
  back = back.matmul(rotation(changes.turns * (kPi / 2)));
  back = back.matmul(translation(-(x(changes.shift) * w).round(), -(y(changes.shift) * h).round()));
  back = back.matmul(scaling(1 / changes.scale, 1 / changes.scale));
  back = back.matmul(rotation(-changes.rotate));
  back = back.matmul(scaling(1 / changes.stretch, changes.stretch));
  back = back.matmul(rotation(-changes.rotate2));
  back = back.matmul(translation(-x(changes.move) * w, -y(changes.move) * h));
  const auto pixels = torch::diag(torch::tensor({w / 2, h / 2, 1.}, kDouble));
  return torch::diag(torch::tensor({2 / w, 2 / h, 1.}, kDouble)).matmul(back).matmul(pixels).slice(1, 0, 2);
}

Tensor ada_colours(const AdaChanges& changes) {
  const auto none = torch::zeros_like(changes.brightness);
  const auto grey = torch::full({3, 3}, 1.0 / 3, kDouble);  // projects onto the axis of greys
  const auto eye = torch::eye(3, kDouble);
  auto all = colour_matrix(eye.expand({none.size(0), 3, 3}), changes.brightness);
  all = colour_matrix(times_identity(changes.contrast), none).matmul(all);
  all = colour_matrix(eye - 2 * grey * changes.luma.view({-1, 1, 1}), none).matmul(all);
  // Rodrigues' formula around the axis of greys.
  const auto cross = torch::tensor({{0., -1., 1.}, {1., 0., -1.}, {-1., 1., 0.}}, kDouble) / std::sqrt(3.0);
  const auto c = changes.hue.cos().view({-1, 1, 1}), s = changes.hue.sin().view({-1, 1, 1});
  all = colour_matrix(c * eye + (1 - c) * grey + s * cross, none).matmul(all);
  all = colour_matrix(grey + (eye - grey) * changes.saturation.view({-1, 1, 1}), none).matmul(all);
  return all.slice(1, 0, 3);
}

Tensor apply_ada(const Tensor& made, const Tensor& geometry, const Tensor& colours) {
  const FullPrecision full(made.device());
  const auto pictures = precise(made);
  const auto grid = at::affine_grid_generator(geometry.to(pictures.options().requires_grad(false)), pictures.sizes(),
                                              /*align_corners=*/false);
  auto out = Sample::apply(pictures, grid);
  const auto channels = pictures.size(1);
  if (channels != 1 && channels != 3) return out;
  auto change = colours.to(pictures.options().requires_grad(false));
  if (channels == 1) {  // grey stands for three equal colours, and their mean for the answer
    change = change.mean(1, true);
    change = torch::cat({change.slice(2, 0, 3).sum(2, true), change.slice(2, 3)}, 2);
  }
  const auto mixed = change.slice(2, 0, channels).bmm(out.flatten(2)) + change.slice(2, channels);  // (N, C, H W)
  return mixed.view(pictures.sizes());
}

AdaImpl::AdaImpl(const AdaConfig& config) : config_(config) {
  validate_config(config, "ada");
  probability_ = register_buffer("probability", torch::full({}, config.first, kDouble));
  signs_ = register_buffer("signs", torch::zeros({}, kDouble));
  seen_ = register_buffer("seen", torch::zeros({}, kDouble));
  steps_ = register_buffer("steps", torch::zeros({}, kDouble));
}

Tensor AdaImpl::forward(const Tensor& pictures, const Random& random) {
  const auto p = probability();
  if (p == 0 || pictures.size(0) == 0) return pictures;
  const auto changes = draw_ada(config_, p, pictures.size(0), random);
  return apply_ada(pictures, ada_geometry(changes, pictures.size(2), pictures.size(3)), ada_colours(changes));
}

void AdaImpl::observe(const Tensor& real_logits) {
  const torch::NoGradGuard no_grad;
  signs_ += real_logits.sign().sum().to(signs_.options());
  seen_ += static_cast<double>(real_logits.numel());
  steps_ += 1;
  const auto seen = seen_.item<double>();
  if (steps_.item<double>() < static_cast<double>(config_.every) || seen == 0) return;
  const auto mean = signs_.item<double>() / seen;
  const auto moved = probability() + (mean > config_.target   ? 1
                                      : mean < config_.target ? -1
                                                              : 0) *
                                         seen / config_.pictures;
  probability_.fill_(std::clamp(moved, 0.0, 1.0));
  for (auto* sum : {&signs_, &seen_, &steps_}) sum->zero_();
}

double AdaImpl::probability() const { return probability_.item<double>(); }

}  // namespace hadal
