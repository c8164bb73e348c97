#include "hadal/report/report.h"

#include <cmath>
#include <set>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "hadal/report/parts.h"

#include "tests/support/support.h"

using namespace hadal;
using testing::HasSubstr;
using testing::Not;

namespace {

Row report_row(int64_t step, Metrics values) {
  return {step, static_cast<double>(step) / 10, 1.5 * step, std::move(values)};
}

ReportInput run() {
  ReportInput in{.title = "mnist-vit", .about = "Reads digits", .goal = "val/accuracy"};
  in.facts = {{"Model", "vit, 812,345 parameters"}};
  in.rows = {report_row(10, {{"train/loss", 2.3}, {"val/loss", 2.0}, {"val/accuracy", 0.5}, {"lr", 1e-3}}),
             report_row(20, {{"train/loss", 0.02}, {"val/loss", 0.1}, {"val/accuracy", 0.875}, {"lr", 1e-4}}),
             report_row(30, {{"train/loss", 0.01}, {"val/loss", 0.2}, {"val/accuracy", 0.75}, {"lr", 1e-5}})};
  in.best = in.rows[1].values, in.last = in.rows[2].values;
  in.best.emplace_back("test/accuracy", 0.8625);
  in.figures = {PictureGrid{"Samples",
                            {{torch::zeros({4, 5, 1}, torch::kUInt8), "seven", true},
                             {torch::zeros({4, 5, 3}, torch::kUInt8), "one, said two", false},
                             {torch::zeros({4, 5, 3}, torch::kUInt8), "made up", {}}}},
                MatrixFigure{"Confusion", {"cat", "dog"}, torch::tensor({{3, 1}, {0, 4}})},
                SoundFigure{"Voices", {{torch::tensor({0.f, 1.f, -1.f, 0.5f}), 8000, "a <seven>", false}}},
                CurveFigure{"Recall", "threshold", "share", {{"cat", {{0, 1}, {1, 0}}}}}};
  in.config = "task = \"classify\"\n";
  in.machine = {"AMD EPYC (Zen 5), 2 cores"};
  in.encode_png = [](const Tensor& image) { return fmt::format("png {}", fmt::join(image.sizes(), "x")); };
  in.encode_wav = [](const Tensor& x, int64_t rate) { return fmt::format("wav {} at {}", x.size(0), rate); };
  return in;
}

/// Empty when every element is closed in order; otherwise the trouble.
std::string unbalanced(const std::string& html) {
  static const std::set<std::string> alone = {"meta", "img", "input"};
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != html.npos; at = html.find('<', at)) {
    const bool closing = html[at + 1] == '/';
    std::string name;
    for (size_t i = at + 1 + closing; std::isalnum(static_cast<unsigned char>(html[i])); ++i) name += html[i];
    auto end = at;
    for (char quote = 0; end < html.size() && (quote || html[end] != '>'); ++end)
      if (quote ? html[end] == quote : html[end] == '"') quote = quote ? 0 : '"';
    const bool self = html[end - 1] == '/';
    at = end;
    if (name.empty() || self || alone.count(name)) continue;  // a doctype, <path/>
    if (!closing) {
      open.push_back(name);
      if (name == "script" || name == "style") at = html.find("</" + name, at);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "left open: " + open.back();
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

}  // namespace

TEST(Report, SaysWhatTheRunReached) {
  const auto html = make_report(run());
  EXPECT_EQ(unbalanced(html), "");
  EXPECT_THAT(html, HasSubstr("<span>val/accuracy</span><b>0.8750</b><i>best, epoch 2, last 0.7500</i>"));
  EXPECT_THAT(html, HasSubstr("<span>test/accuracy</span><b>0.8625</b>"));
  EXPECT_THAT(html, HasSubstr("<b>45 s</b><i>epoch 3, 30 steps</i>"));
  EXPECT_THAT(html, HasSubstr("<dt>Model</dt><dd>vit, 812,345 parameters</dd>"));
  EXPECT_THAT(html, HasSubstr("task = &quot;classify&quot;"));
  EXPECT_THAT(html, HasSubstr("AMD EPYC (Zen 5), 2 cores"));
  EXPECT_EQ(count(html, "<tr><td class=n>"), 3u);  // the evaluations
}

TEST(Report, LoadsNothing) {
  const auto html = make_report(run());
  EXPECT_THAT(html, Not(HasSubstr("http:")));
  EXPECT_THAT(html, Not(HasSubstr("https:")));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
  EXPECT_THAT(html, Not(HasSubstr("<link")));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
}

TEST(Report, TrainAndValShareAChart) {
  const auto charts = report::charts_of(run().rows, "val/accuracy", true);
  ASSERT_EQ(charts.size(), 3u);
  EXPECT_EQ(charts[0].title, "loss");
  EXPECT_EQ(charts[0].series.size(), 2u);
  EXPECT_EQ(charts[0].x_label, "epoch");
  EXPECT_EQ(charts[1].series[0].mark, (std::pair<double, double>{2, 0.875}));
  EXPECT_FALSE(charts[0].series[1].mark);
  EXPECT_EQ(charts[2].title, "lr");
  EXPECT_EQ(report::charts_of({report_row(5, {{"a/b", 1}})}, "", true)[0].x_label, "step");
}

TEST(Report, ALogarithmicViewWhereValuesAreFarApart) {
  const auto draw = [](std::vector<std::pair<double, double>> points) {
    return report::draw(report::Chart{"loss", "step", {{"train", "red", std::move(points), {}}}, ""});
  };
  EXPECT_THAT(draw({{1, 100}, {2, 1}}), HasSubstr("class=\"view log\""));
  EXPECT_THAT(draw({{1, 10}, {2, 1}}), Not(HasSubstr("class=\"view log\"")));
  EXPECT_THAT(draw({{1, 100}, {2, 0}}), Not(HasSubstr("class=\"view log\"")));
}

TEST(Report, CurvesMapToThePlot) {
  const auto html = report::draw(report::Chart{"x", "step", {{"a", "red", {{0, 0}, {5, 1}, {10, 0.5}}, {}}}, ""});
  // 0 to 1.04 up, 0 to 1000 across: 1 lies 4/104 below the top.
  EXPECT_THAT(html, HasSubstr("M0 1000L500 38.46L1000 519.2"));
  EXPECT_THAT(html, HasSubstr("left:60%\">6<"));
}

TEST(Report, CurvesThatAreNotFinite) {
  const auto draw = [](std::vector<std::pair<double, double>> points) {
    return report::draw(report::Chart{"x", "step", {{"a", "red", std::move(points), {}}}, ""});
  };
  EXPECT_THAT(draw({{1, NAN}, {2, INFINITY}}), HasSubstr("No finite values"));
  EXPECT_THAT(draw({}), HasSubstr("No finite values"));
  const auto gap = draw({{0, 1}, {1, 2}, {2, NAN}, {3, 2}, {4, 1}});
  EXPECT_EQ(count(gap.substr(0, gap.find("class=dots")).substr(gap.find("class=line")), "M"), 2u);
  for (const auto& points : std::vector<std::vector<std::pair<double, double>>>{{{7, 3}},
                                                                                {{1, 5}, {2, 5}},
                                                                                {{1, 0}, {2, 0}},
                                                                                {{1, -1e300}, {2, 1e300}},
                                                                                {{1, 1e-300}, {2, 1e300}},
                                                                                {{1, 1}, {2, 1 + 1e-15}},
                                                                                {{1, -1.7e308}, {2, 1.7e308}, {3, 1}},
                                                                                {{INFINITY, 1}, {1, 2}}}) {
    const auto html = draw(points);
    EXPECT_EQ(unbalanced(html), "");
    EXPECT_EQ(count(html, "nan") + count(html, "inf\""), 0u) << html;
    EXPECT_LT(html.size(), 20000u);
  }
}

TEST(Report, LongRunsAreThinnedWithoutLosingASpike) {
  std::vector<Row> rows;
  for (int64_t i = 0; i < 50000; ++i)
    rows.push_back(report_row(i, {{"train/loss", i == 31234 ? 99.0 : 1.0 + 0.01 * std::sin(static_cast<double>(i))}}));
  ReportInput in{.title = "long", .rows = rows};
  const auto html = make_report(in);
  EXPECT_LT(html.size(), 250000u);
  EXPECT_THAT(html, HasSubstr("99.0"));
  EXPECT_THAT(html, HasSubstr("the last 500 rows"));
}

TEST(Report, PointerDataIsJsonThatCannotEndItsElement) {
  const auto html = report::draw(report::Chart{
      "</script><b>", "step", {{"</script><script>alert(1)", "red", {{1, NAN}, {2, 1.23456789}}, {}}}, ""});
  EXPECT_EQ(count(html, "</script"), 1u);
  const auto first = html.find("json\">") + 6;
  const auto data = nlohmann::json::parse(html.substr(first, html.find("</script") - first));
  EXPECT_EQ(data["series"][0]["name"], "</script><script>alert(1)");
  EXPECT_TRUE(data["series"][0]["y"][0].is_null());
  EXPECT_EQ(data["series"][0]["y"][1], 1.23457);
}

TEST(Report, AllTextIsEscaped) {
  auto in = run();
  const std::string evil = "<img src=x onerror=\"alert('&')\">";
  in.title = in.about = in.config = evil;
  in.facts = {{evil, evil}};
  in.machine = {evil};
  for (auto& r : in.rows) r.values = {{evil, 1}, {"val/" + evil, 2}};
  in.best = in.last = in.rows[0].values;
  std::get<PictureGrid>(in.figures[0]).title = std::get<PictureGrid>(in.figures[0]).items[0].caption = evil;
  std::get<MatrixFigure>(in.figures[1]).labels = {evil, evil};
  in.figures.push_back(CurveFigure{evil, evil, evil, {{evil, {{0, 1}, {1, 2}}}}});
  const auto html = make_report(in);
  EXPECT_EQ(unbalanced(html), "");
  EXPECT_EQ(count(html, "<img src=x"), 0u);
  EXPECT_EQ(count(html, "onerror=\"alert"), 0u);
  EXPECT_GT(count(html, "&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;"), 10u);
}

TEST(Report, PicturesCarryTruthAndPrediction) {
  const auto html = make_report(run());
  EXPECT_THAT(html, HasSubstr("<figure class=\"picture good\"><img loading=lazy width=5 height=4 alt=\"seven\" "
                              "src=\"data:image/png;base64,cG5nIDR4NXgx\">"));
  EXPECT_THAT(html, HasSubstr("<span class=sign>✗</span> one, said two"));
  EXPECT_THAT(html, HasSubstr("<figure class=\"picture\">"));
  auto without = run();
  without.encode_png = nullptr;
  EXPECT_THAT(make_report(without), Not(HasSubstr("data:image")));
}

TEST(Report, SmallConfusionIsATable) {
  const auto html = report::draw(MatrixFigure{"Confusion", {"cat", "dog"}, torch::tensor({{3, 1}, {0, 4}})});
  EXPECT_THAT(html, HasSubstr("title=\"cat taken for dog: 1 of 4 (25.0 %)\">1</td>"));
  EXPECT_THAT(html, HasSubstr("title=\"dog recognised: 4 of 4 (100.0 %)\">4</td>"));
  EXPECT_THAT(html, HasSubstr("<td class=sum>75.0 %</td><td class=sum>4</td>"));
  EXPECT_THAT(html, HasSubstr("precision</th><td class=sum>100.0 %</td><td class=sum>80.0 %</td>"));
}

TEST(Report, ManyClassesShowWhatIsConfused) {
  const int64_t classes = 1000;
  auto counts = torch::eye(classes, torch::kInt64) * 50;
  counts[7][9] = 25, counts[3][4] = 5;
  std::vector<std::string> labels;
  for (int64_t i = 0; i < classes; ++i) labels.push_back(fmt::format("class {}", i));
  const auto html = report::draw(MatrixFigure{"Confusion", labels, counts});
  EXPECT_LT(html.size(), 10000u);
  EXPECT_THAT(html, HasSubstr("<td>class 7</td><td>class 9</td><td class=n>25</td><td class=n>33.3 %</td>"));
  EXPECT_LT(html.find("<td>class 7</td><td>class 9"), html.find("<td>class 3</td><td>class 4"));
  EXPECT_THAT(html, HasSubstr("<td>class 7</td><td class=n>0.800</td><td class=n>66.7 %</td>"));
  EXPECT_THAT(report::draw(MatrixFigure{"x", labels, torch::eye(classes, torch::kInt64)}), HasSubstr("No mistakes."));
}

TEST(Report, AnEmptyRunIsStillAPage) {
  const auto html = make_report({.title = "nothing", .figures = {PictureGrid{}, CurveFigure{}}});
  EXPECT_EQ(unbalanced(html), "");
  EXPECT_THAT(html, HasSubstr("<h1>nothing</h1>"));
  EXPECT_THAT(html, Not(HasSubstr("<h2>Curves</h2>")));
}

TEST(Report, ShowsTextsAsTheyAre) {
  const auto html = report::draw(TextFigure{"Samples", {{"behind <b>", "one\n  two & \xFF"}}});
  EXPECT_THAT(html, HasSubstr("<h2>Samples</h2>"));
  EXPECT_THAT(html, HasSubstr("<h3>behind &lt;b&gt;</h3><pre class=text>one\n  two &amp; \xEF\xBF\xBD</pre>"));
  EXPECT_EQ(report::draw(TextFigure{"Samples", {}}), "");
}

TEST(Report, LetsOneListen) {
  const auto wav = run().encode_wav;
  const auto html = make_report(run());
  EXPECT_THAT(html, HasSubstr("media-src data:"));
  EXPECT_THAT(html, HasSubstr("<h2>Voices</h2>"));
  // One column a sample, the loudest reaching the edges of 60.
  EXPECT_THAT(html,
              HasSubstr("<figure class=\"sound bad\"><svg viewBox=\"0 0 240 60\" preserveAspectRatio=none "
                        "aria-hidden=true><path d=\"M30 29.7V30.3M90 0.7V1.3M150 58.7V59.3M210 15.2V15.8\"/></svg>"));
  EXPECT_THAT(html, HasSubstr("<audio controls preload=metadata aria-label=\"a &lt;seven&gt;\" "
                              "src=\"data:audio/wav;base64,d2F2IDQgYXQgODAwMA==\"></audio>"));
  EXPECT_THAT(html, HasSubstr("<span class=sign>✗</span> a &lt;seven&gt;</figcaption>"));
  auto without = run();
  without.encode_wav = nullptr;
  EXPECT_THAT(make_report(without), Not(HasSubstr("<audio")));
  const auto draw = [&](Tensor samples, int64_t rate) {
    return report::draw(SoundFigure{"v", {{std::move(samples), rate, "long", {}}}}, wav);
  };
  const auto hours = draw(torch::rand({720000}), 100);
  EXPECT_LT(hours.size(), 8000u);
  EXPECT_THAT(hours, HasSubstr("long (the first 60 s)"));
  EXPECT_THAT(hours, HasSubstr("base64,d2F2IDYwMDAgYXQgMTAw"));  // wav 6000 at 100
  EXPECT_THAT(draw(torch::zeros({4}), 8000), HasSubstr("M30 29.7V30.3M90 29.7V30.3"));
  EXPECT_THAT(draw(torch::full({1}, NAN), 8000), Not(HasSubstr("nan")));
  EXPECT_ERROR(draw(torch::zeros({2, 4}), 8000),
               "[report] \"v\": sounds must be samples (T) at a rate, got (2, 4) Float");
  EXPECT_ERROR(draw({}, 8000), "got none at 8000");
  EXPECT_ERROR(draw(torch::zeros({4}), 0), "got (4) Float at 0");
}

TEST(Report, FiguresThatAreNotWhatTheySay) {
  const auto png = run().encode_png;
  EXPECT_ERROR(report::draw(MatrixFigure{"m", {"a"}, torch::zeros({2, 2}, torch::kInt64)}),
               "1 labels want counts (1, 1), got (2, 2)");
  EXPECT_ERROR(report::draw(MatrixFigure{"m", {"a"}, {}}), "got none");
  EXPECT_ERROR(report::draw(PictureGrid{"p", {{torch::zeros({4, 4, 2}, torch::kUInt8), "", {}}}}, png),
               "(4, 4, 2) Byte");
  EXPECT_ERROR(report::draw(PictureGrid{"p", {{torch::zeros({4, 4, 3}), "", {}}}}, png), "(4, 4, 3) Float");
}

TEST(Report, TheSmallestNumbersAreNumbers) {
  auto in = run();
  in.rows[2].values.emplace_back("decay", 1e-310);
  EXPECT_THAT(make_report(in), HasSubstr("decay"));
}

TEST(Report, AScoreOfZeroHasAnAxis) {
  auto in = run();
  for (auto& each : in.rows) each.values.emplace_back("val/bleu", 0);
  const auto page = make_report(in);
  EXPECT_THAT(page, Not(HasSubstr("e-12")));
}
