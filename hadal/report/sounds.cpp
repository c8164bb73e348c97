#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/core/shape.h"
#include "hadal/io/base64.h"
#include "hadal/report/parts.h"

namespace hadal::report {
namespace {

constexpr int64_t kColumns = 240, kHeight = 60;
constexpr int64_t kMostSeconds = 60;  // of a sound; a page of hours would not open

/// From the lowest to the highest sample of each column, the loudest one reaching the edge.
std::string wave(const Tensor& samples) {
  const auto length = samples.size(0), columns = std::min(kColumns, length);
  const auto peak = std::max(samples.abs().max().item<double>(), 1e-4);  // silence stays a line
  const auto* values = samples.const_data_ptr<float>();
  std::string path;
  for (int64_t i = 0; i < columns; ++i) {
    const auto [low, high] = std::minmax_element(values + i * length / columns, values + (i + 1) * length / columns);
    const auto y = [&](double value) { return kHeight / 2.0 - value / peak * (kHeight / 2.0 - 1); };
    path += fmt::format("M{:.4g} {:.1f}V{:.1f}", (static_cast<double>(i) + 0.5) * kColumns / columns, y(*high) - 0.3,
                        y(*low) + 0.3);
  }
  return fmt::format("<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=none aria-hidden=true><path d=\"{}\"/></svg>",
                     kColumns, kHeight, path);
}

}  // namespace

std::string draw(const SoundFigure& figure, const std::function<std::string(const Tensor&, int64_t)>& encode_wav) {
  if (figure.items.empty() || !encode_wav) return {};
  auto out = fmt::format("<h2>{}</h2><div class=card><div class=sounds>", escape(figure.title));
  for (const auto& [samples, rate, caption, good] : figure.items) {
    if (!samples.defined() || samples.dim() != 1 || samples.numel() == 0 || !samples.is_floating_point() || rate < 1)
      fail("[report] \"{}\": sounds must be samples (T) at a rate, got {} at {}", figure.title,
           samples.defined() ? fmt::format("{} {}", shape_text(samples), c10::toString(samples.scalar_type())) : "none",
           rate);
    const auto most = kMostSeconds * rate;
    const auto whole = samples.detach().cpu().to(torch::kFloat32).nan_to_num(0, 0, 0);
    const auto heard = whole.slice(0, 0, most).contiguous();
    out += fmt::format(
        "<figure class=\"sound{}\">{}<audio controls preload=metadata aria-label=\"{}\" "
        "src=\"data:audio/wav;base64,{}\"></audio><figcaption>{}{}{}</figcaption></figure>",
        !good   ? ""
        : *good ? " good"
                : " bad",
        wave(heard), escape(caption), to_base64(encode_wav(heard, rate)),
        !good   ? ""
        : *good ? "<span class=sign>✓</span> "
                : "<span class=sign>✗</span> ",
        escape(caption), whole.size(0) > most ? fmt::format(" (the first {} s)", kMostSeconds) : "");
  }
  return out + "</div></div>";
}

}  // namespace hadal::report
