#include "hadal/core/precision.h"

#include <ATen/Context.h>

#include "hadal/core/error.h"
#include "hadal/core/machine.h"

namespace hadal {

bool computes_bf16(const torch::Device& device) {
  if (!device.is_cpu()) {
    static const auto gpus = find_gpus();
    const auto index = device.has_index() ? static_cast<size_t>(device.index()) : 0;
    return index < gpus.size() && gpus[index].computes_bf16();
  }
  static const bool cpu = at::hasMKLDNN() && this_cpu().bf16_per_cycle() > 0;
  return cpu;
}

std::string pick_precision(const std::string& name, const torch::Device& device) {
  if (name == "auto") return computes_bf16(device) ? "bf16" : "fp32";
  require(name != "fp16" || !device.is_cpu(),
          "precision=fp16 wants a GPU; on a CPU use precision=bf16 or precision=fp32");
  return name;
}

Autocast::Autocast(const torch::Device& device, const std::string& precision)
    : type_(device.type()),
      active_(precision != "fp32"),
      before_(at::autocast::is_autocast_enabled(type_)),
      dtype_before_(at::autocast::get_autocast_dtype(type_)) {
  if (!active_) return;
  at::autocast::set_autocast_enabled(type_, true);
  at::autocast::set_autocast_dtype(type_, precision == "fp16" ? at::kHalf : at::kBFloat16);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, before_);
  at::autocast::set_autocast_dtype(type_, dtype_before_);
}

FullPrecision::FullPrecision(const torch::Device& device)
    : type_(device.type()), before_(at::autocast::is_autocast_enabled(type_)) {
  at::autocast::set_autocast_enabled(type_, false);
}

FullPrecision::~FullPrecision() { at::autocast::set_autocast_enabled(type_, before_); }

}  // namespace hadal
