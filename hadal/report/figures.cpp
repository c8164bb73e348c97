#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/ranges.h>

#include "hadal/core/error.h"
#include "hadal/core/format.h"
#include "hadal/core/utf8.h"
#include "hadal/io/base64.h"
#include "hadal/metrics/classification.h"
#include "hadal/report/parts.h"

namespace hadal::report {
namespace {

constexpr int64_t kMostClassesOfATable = 30;

std::string share(double value) { return std::isfinite(value) ? fmt::format("{:.1f} %", 100 * value) : "-"; }

/// Escaped, with a number and its percent sign kept on one line.
std::string caption_text(const std::string& caption) {
  auto out = escape(caption);
  for (auto at = out.find(" %"); at != out.npos; at = out.find(" %", at)) out.replace(at, 1, "&nbsp;");
  return out;
}

std::string head(const std::string& title) { return fmt::format("<h2>{}</h2>", escape(title)); }

/// Counts on the CPU, checked against the labels.
Tensor checked_counts(const MatrixFigure& figure) {
  const auto& counts = figure.counts;
  const auto classes = static_cast<int64_t>(figure.labels.size());
  if (!counts.defined() || counts.dim() != 2 || counts.size(0) != classes || counts.size(1) != classes)
    fail("[report] \"{}\": {} labels want counts ({}, {}), got {}", figure.title, classes, classes, classes,
         counts.defined() ? fmt::format("({})", fmt::join(counts.sizes(), ", ")) : "none");
  return counts.to(torch::kCPU, torch::kInt64).contiguous();
}

std::string cell(int64_t count, int64_t of, bool right, const std::string& truth, const std::string& said) {
  if (count == 0) return right ? "<td class=none>0</td>" : "<td class=none></td>";
  const auto part = static_cast<double>(count) / static_cast<double>(std::max<int64_t>(of, 1));
  // Rare mistakes must still be seen: their colour follows the root of their share.
  const auto strength = 8 + 52 * (right ? part : std::sqrt(part));
  return fmt::format("<td class={} style=\"--p:{:.0f}\" title=\"{}{}: {} of {} ({})\">{}</td>",
                     right ? "right" : "wrong", strength, escape(truth),
                     right ? " recognised" : " taken for " + escape(said), format_count(count), format_count(of),
                     share(part), format_count(count));
}

std::string table(const MatrixFigure& figure, const Tensor& counts) {
  const auto classes = counts.size(0);
  const auto scores = class_scores(counts);
  const auto n = counts.accessor<int64_t, 2>();
  const auto recall = scores.recall.accessor<double, 1>(), precision = scores.precision.accessor<double, 1>();
  const auto support = scores.support.accessor<int64_t, 1>();
  size_t longest = 0;
  for (const auto& label : figure.labels) longest = std::max(longest, display_width(label));
  std::string out = fmt::format("<div><div class=scroll><table class=matrix><thead><tr{}><th></th>",
                                longest > 4 && classes > 4 ? " class=turned" : "");
  for (const auto& label : figure.labels) out += fmt::format("<th scope=col><span>{}</span></th>", escape(label));
  out += "<th><span>recall</span></th><th><span>samples</span></th></tr></thead><tbody>";
  for (int64_t truth = 0; truth < classes; ++truth) {
    out += fmt::format("<tr><th scope=row>{}</th>", escape(figure.labels[truth]));
    for (int64_t said = 0; said < classes; ++said)
      out += cell(n[truth][said], support[truth], truth == said, figure.labels[truth], figure.labels[said]);
    out += fmt::format("<td class=sum>{}</td><td class=sum>{}</td></tr>", support[truth] ? share(recall[truth]) : "-",
                       format_count(support[truth]));
  }
  out += "<tr><th scope=row>precision</th>";
  for (int64_t said = 0; said < classes; ++said) out += fmt::format("<td class=sum>{}</td>", share(precision[said]));
  return out +
         "</tr></tbody></table></div><p class=key>Truth down, prediction across. Blue: right, red: mistaken; the "
         "deeper, "
         "the larger the share of the row.</p></div>";
}

std::string confused_pairs(const MatrixFigure& figure, const Tensor& counts, int64_t most_listed) {
  const auto mistakes = counts.clone().fill_diagonal_(0).flatten();
  const auto classes = counts.size(0);
  const auto support = counts.sum(1);
  const auto [most, where] = mistakes.topk(std::min(most_listed, mistakes.numel()));
  std::string rows;
  for (int64_t i = 0; i < most.numel(); ++i) {
    const auto count = most[i].item<int64_t>(), at = where[i].item<int64_t>();
    if (count == 0) break;
    const auto truth = at / classes, said = at % classes;
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{}</td></tr>",
                        escape(figure.labels[truth]), escape(figure.labels[said]), format_count(count),
                        share(static_cast<double>(count) / support[truth].item<double>()));
  }
  if (rows.empty()) return "<div><h3>Most confused pairs</h3><p class=key>No mistakes.</p></div>";
  return "<div class=scroll><h3>Most confused pairs</h3><table class=list><thead><tr><th>truth</th><th>taken "
         "for</th><th "
         "class=n>times</th><th class=n>of the class</th></tr></thead><tbody>" +
         rows + "</tbody></table></div>";
}

std::string hardest_classes(const MatrixFigure& figure, const Tensor& counts, size_t most_listed) {
  const auto scores = class_scores(counts);
  const auto f1 = scores.f1.accessor<double, 1>(), recall = scores.recall.accessor<double, 1>(),
             precision = scores.precision.accessor<double, 1>();
  const auto support = scores.support.accessor<int64_t, 1>();
  std::vector<int64_t> order;
  for (int64_t i = 0; i < counts.size(0); ++i)
    if (support[i] > 0) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return f1[a] < f1[b]; });
  order.resize(std::min(order.size(), most_listed));
  std::string rows;
  for (const auto i : order)
    rows += fmt::format(
        "<tr><td>{}</td><td class=n>{:.3f}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr>",
        escape(figure.labels[i]), f1[i], share(recall[i]), share(precision[i]), format_count(support[i]));
  return "<div class=scroll><h3>Hardest classes</h3><table class=list><thead><tr><th>class</th><th class=n>F1</th><th "
         "class=n>recall</th><th class=n>precision</th><th class=n>samples</th></tr></thead><tbody>" +
         rows + "</tbody></table></div>";
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string draw(const PictureGrid& grid, const std::function<std::string(const Tensor&)>& encode_png) {
  if (grid.items.empty() || !encode_png) return {};
  int64_t side = 0;
  for (const auto& [image, caption, good] : grid.items) {
    if (!image.defined() || image.dim() != 3 || image.scalar_type() != torch::kUInt8 || image.numel() == 0 ||
        (image.size(2) != 1 && image.size(2) != 3))
      fail("[report] \"{}\": pictures must be (H, W, 1 or 3) uint8, got {}", grid.title,
           image.defined() ? fmt::format("({}) {}", fmt::join(image.sizes(), ", "), c10::toString(image.scalar_type()))
                           : "none");
    side = std::max(side, image.size(1));
  }
  const bool small = side <= 96;
  // A single one is as wide as it is: a grid that a task has drawn itself.
  const auto columns = grid.items.size() == 1 && !small ? fmt::format("grid-template-columns:minmax(0,{}px)", side)
                                                        : fmt::format("--side:{}px", side <= 40    ? 84
                                                                                     : small       ? 110
                                                                                     : side <= 256 ? 160
                                                                                                   : 260);
  auto out = head(grid.title) +
             fmt::format("<div class=\"card{}\"><div class=pictures style=\"{}\">", small ? " small" : "", columns);
  for (const auto& [image, caption, good] : grid.items) {
    const auto picture = image.cpu().contiguous();
    out += fmt::format(
        "<figure class=\"picture{}\"><img loading=lazy width={} height={} alt=\"{}\" src=\"data:image/png;base64,{}\">"
        "<figcaption>{}{}</figcaption></figure>",
        !good   ? ""
        : *good ? " good"
                : " bad",
        picture.size(1), picture.size(0), escape(caption), to_base64(encode_png(picture)),
        !good   ? ""
        : *good ? "<span class=sign>✓</span> "
                : "<span class=sign>✗</span> ",
        caption_text(caption));
  }
  return out + "</div></div>";
}

std::string draw(const MatrixFigure& figure) {
  const auto counts = checked_counts(figure);
  if (counts.numel() == 0) return {};
  auto out = head(figure.title) + "<div class=card>";
  const bool small = counts.size(0) <= kMostClassesOfATable;
  const auto pairs = counts.size(0) > 3 ? confused_pairs(figure, counts, small ? 10 : 20) : "";
  return out + "<div class=pair>" +
         (small ? table(figure, counts) + pairs : pairs + hardest_classes(figure, counts, 20)) + "</div></div>";
}

std::string draw(const TextFigure& figure) {
  if (figure.items.empty()) return {};
  auto out = head(figure.title) + "<div class=card>";
  for (const auto& [caption, text] : figure.items)
    out += fmt::format("<h3>{}</h3><pre class=text>{}</pre>", escape(caption), escape(repaired_utf8(text)));
  return out + "</div>";
}

}  // namespace hadal::report
