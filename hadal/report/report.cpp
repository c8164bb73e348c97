#include "hadal/report/report.h"

#include <fmt/format.h>

#include "hadal/core/format.h"
#include "hadal/report/parts.h"

namespace hadal {
namespace {

using namespace report;

constexpr size_t kMostTiles = 6, kMostSeries = 24;

std::string epoch_text(double epoch) { return fmt::format("epoch {:.4g}", epoch); }

std::string tile(const std::string& value, const std::string& name, const std::string& note, bool goal = false) {
  return fmt::format("<div class=\"tile{}\"><span>{}</span><b>{}</b><i>{}</i></div>", goal ? " goal" : "", escape(name),
                     escape(value), note.empty() ? "&nbsp;" : escape(note));
}

std::string goal_note(const ReportInput& in) {
  const auto* best = best_row(in.rows, in.goal, in.higher_is_better);
  const auto* last = find_value(in.last, in.goal);
  return (best ? "best, " + epoch_text(best->epoch) : "best") + (last ? ", last " + format_value(*last) : "");
}

/// The goal first, then scores on the test split, then the rest of what was held out, then what the run took.
std::string tiles(const ReportInput& in) {
  std::string out;
  if (const auto* value = find_value(in.best, in.goal)) out += tile(format_value(*value), in.goal, goal_note(in), true);
  size_t count = 0;
  for (const bool test : {true, false})
    for (const auto& [key, value] : in.best) {
      const bool held_out = key.find('/') != key.npos && !key.starts_with("train/");
      if (key == in.goal || !held_out || key.starts_with("test/") != test || ++count > kMostTiles) continue;
      out += tile(format_value(value), key, "with the best weights");
    }
  if (!in.rows.empty()) {
    const auto& end = in.rows.back();
    out += tile(format_duration(end.seconds), "training time",
                fmt::format("{}, {} steps", epoch_text(end.epoch), format_count(end.step)));
  }
  return out.empty() ? out : "<div class=tiles>" + out + "</div>";
}

std::string facts(const ReportInput& in) {
  std::string out;
  for (const auto& [name, value] : in.facts) out += fmt::format("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
  return out.empty() ? out : "<dl>" + out + "</dl>";
}

std::string curves(const ReportInput& in) {
  std::string out;
  for (const auto& chart : charts_of(in.rows, in.goal, in.higher_is_better)) out += draw(chart);
  return out.empty() ? out : "<h2>Curves</h2><div class=cards>" + out + "</div>";
}

std::string schedule(const ReportInput& in) {
  std::string out;
  for (const auto& curve : in.schedule) out += draw(chart_of(curve));
  return out.empty() ? out : "<h2>Schedule</h2><div class=cards>" + out + "</div>";
}

/// All rows, or the last of very many.
std::string evaluations(const ReportInput& in) {
  constexpr size_t kMostRows = 500;
  if (in.rows.empty()) return {};
  const auto columns = columns_of(in.rows);
  std::string head = "<th class=n>epoch</th><th class=n>step</th><th class=n>time</th>", body;
  for (const auto& column : columns) head += fmt::format("<th class=n>{}</th>", escape(column));
  const auto first = in.rows.size() > kMostRows ? in.rows.size() - kMostRows : 0;
  for (size_t i = first; i < in.rows.size(); ++i) {
    const auto& row = in.rows[i];
    body += fmt::format("<tr><td class=n>{:.4g}</td><td class=n>{}</td><td class=n>{}</td>", row.epoch,
                        format_count(row.step), format_duration(row.seconds));
    for (const auto& column : columns) {
      const auto* value = find_value(row.values, column);
      body += fmt::format("<td class=n>{}</td>", value ? format_value(*value) : "");
    }
    body += "</tr>";
  }
  return fmt::format(
      "<h2>Evaluations</h2><details class=card><summary>{}{} rows</summary><div class=scroll><table "
      "class=list><thead><tr>"
      "{}</tr></thead><tbody>{}</tbody></table></div></details>",
      first ? "the last " : "", format_count(static_cast<int64_t>(in.rows.size() - first)), head, body);
}

/// One way to draw each kind of figure: a kind without one does not compile.
struct Drawing {
  const ReportInput& in;
  std::string out, cards;  // curves stand together at the end
  void operator()(const PictureGrid& grid) { out += draw(grid, in.encode_png); }
  void operator()(const MatrixFigure& matrix) { out += draw(matrix); }
  void operator()(const TextFigure& text) { out += draw(text); }
  void operator()(const SoundFigure& sounds) { out += draw(sounds, in.encode_wav); }
  void operator()(const CurveFigure& curve) { cards += draw(chart_of(curve)); }
};

std::string figures(const ReportInput& in) {
  Drawing drawing{in, {}, {}};
  for (const auto& figure : in.figures) std::visit(drawing, figure);
  const auto& [input, out, cards] = drawing;
  return out + (cards.empty() ? "" : "<h2>More curves</h2><div class=cards>" + cards + "</div>");
}

std::string preformatted(const char* title, const std::string& text) {
  return text.empty() ? text : fmt::format("<h2>{}</h2><div class=card><pre>{}</pre></div>", title, escape(text));
}

/// Which curves a legend's boxes hide, without JavaScript.
std::string legend_rules() {
  std::string out;
  for (size_t i = 0; i < kMostSeries; ++i)
    out += fmt::format(".chart:has(.t{0}:not(:checked)) .s{0}{{display:none}}\n", i);
  return out;
}

}  // namespace

std::string make_report(const ReportInput& in) {
  const auto title = escape(in.title);
  std::string machine;
  for (const auto& line : in.machine) machine += line + '\n';
  // The policy keeps the promise: nothing is loaded, whatever a caption or a label holds.
  return fmt::format(
             "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
             "content=\"width=device-width, initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" "
             "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
             "media-src data:\">"
             "<title>{0}</title><style>{1}{2}</style></head>\n<body><main><header><h1>{0}</h1>{3}</header>\n",
             title, kStyle, legend_rules(), in.about.empty() ? "" : "<p>" + escape(in.about) + "</p>") +
         tiles(in) + facts(in) + '\n' + curves(in) + '\n' + figures(in) + '\n' + schedule(in) + evaluations(in) +
         preformatted("Settings", in.config) + preformatted("Machine", machine) +
         fmt::format("<footer>Made by Hadal {}.</footer></main><script>{}</script></body></html>\n", HADAL_VERSION,
                     kScript);
}

}  // namespace hadal
