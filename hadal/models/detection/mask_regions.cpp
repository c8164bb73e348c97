#include "hadal/models/detection/mask_regions.h"

#include <algorithm>
#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include "hadal/core/error.h"

namespace hadal::yolo {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Regions : torch::CustomClassHolder {
  explicit Regions(std::vector<MaskRegion> list) : list(std::move(list)) {}
  std::vector<MaskRegion> list;
};

struct LogitsWithin : torch::autograd::Function<LogitsWithin> {
  static Tensor forward(AutogradContext* context, const Tensor& coefficients, const Tensor& prototypes,
                        const c10::intrusive_ptr<Regions>& regions) {
    at::AutoDispatchBelowADInplaceOrView below;
    int64_t cells = 0;
    for (const auto& region : regions->list) cells += region.learners * region.cells();
    const auto out = torch::empty({cells}, coefficients.options());
    int64_t first = 0;
    for (const auto& region : regions->list) {
      auto part = out.narrow(0, first, region.learners * region.cells()).view({region.learners, region.cells()});
      at::mm_out(part, region.rows_of(coefficients), region.of(prototypes[region.picture]).flatten(1));
      first += part.numel();
    }
    context->save_for_backward({coefficients, prototypes});
    context->saved_data["regions"] = c10::IValue::make_capsule(regions);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(), "[yolo] masks have no second derivative");
    const auto saved = context->get_saved_variables();
    const auto &coefficients = saved[0], &prototypes = saved[1];
    const auto capsule = context->saved_data["regions"].toCapsule();
    const auto gradient = gradients[0].contiguous();
    const auto by_coefficients = torch::zeros_like(coefficients);
    Tensor by_prototypes;  // a one-to-one branch does not shape them
    if (context->needs_input_grad(1)) by_prototypes = torch::zeros_like(prototypes);
    int64_t first = 0;
    for (const auto& region : static_cast<const Regions&>(*capsule).list) {
      const auto here =
          gradient.narrow(0, first, region.learners * region.cells()).view({region.learners, region.cells()});
      auto by_rows = region.rows_of(by_coefficients);
      at::mm_out(by_rows, here, region.of(prototypes[region.picture]).flatten(1).t());
      first += here.numel();
      if (!by_prototypes.defined()) continue;
      const auto by_cells = region.rows_of(coefficients).t().mm(here);
      region.of(by_prototypes[region.picture]).add_(by_cells.view({prototypes.size(1), region.rows, region.columns}));
    }
    return {by_coefficients, by_prototypes, Tensor()};
  }
};

}  // namespace

std::vector<MaskRegion> mask_regions(const Tensor& objects, const Tensor& boxes, const Tensor& owner, int64_t rows,
                                     int64_t columns) {
  const auto who = objects.to(torch::kCPU), pictures = owner.to(torch::kCPU);
  const auto sides = boxes.to(torch::kCPU, torch::kFloat64).contiguous();
  const auto* object = who.const_data_ptr<int64_t>();
  const auto* picture = pictures.const_data_ptr<int64_t>();
  std::vector<MaskRegion> out;
  for (int64_t i = 0; i < who.size(0); ++i) {
    if (!out.empty() && out.back().object == object[i]) {
      ++out.back().learners;
      continue;
    }
    const auto* side = sides.const_data_ptr<double>() + 4 * object[i];
    const auto cell = [](double at, int64_t least, int64_t most) {
      return static_cast<int64_t>(std::clamp(std::ceil(at), static_cast<double>(least), static_cast<double>(most)));
    };
    const auto left = cell(side[0], 0, columns), top = cell(side[1], 0, rows);
    out.push_back({picture[object[i]], object[i], i, 1, top, left, cell(side[3], top, rows) - top,
                   cell(side[2], left, columns) - left});
  }
  return out;
}

Tensor logits_within(const Tensor& coefficients, const Tensor& prototypes, const std::vector<MaskRegion>& regions) {
  return LogitsWithin::apply(coefficients.contiguous(), prototypes.contiguous(), c10::make_intrusive<Regions>(regions));
}

}  // namespace hadal::yolo
