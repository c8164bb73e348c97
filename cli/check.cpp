#include <chrono>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "hadal/core/device.h"
#include "hadal/core/format.h"
#include "hadal/core/utf8.h"
#include "hadal/data/vision/scenes/scene_check.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"

#include "cli/bar.h"
#include "cli/verb.h"

namespace hadal::cli {
namespace {

std::string help(const Words&) {
  std::string out =
      "Reads every label and every picture of a data set for detection, segmentation or pose, and says what is wrong "
      "with "
      "it.\nExit code 1 where there is an error.\n\n"
      "  data=PATH        folder, archive, COCO's JSON or YOLO's data.yaml\n"
      "  kind=auto        auto, coco, yolo, voc, labelmask or deeplabcut\n"
      "  show=10          how many faults of a kind are shown\n"
      "  out=DIR          write check.png (pictures with their objects drawn) and check.json (every fault) there\n"
      "  threads=0        how many pictures are read at once (0: as many as there are cores)\n\n";
  const auto settings = Schema::of<SceneFilesConfig>().help();
  return out + settings + "\n  hadal check data=cells/ out=cells-check\n";
}

void write_results(const SceneReport& report, const std::filesystem::path& out) {
  nlohmann::json faults = nlohmann::json::array(), sums = nlohmann::json::object();
  for (const auto& fault : report.faults)
    faults.push_back({{"kind", kind_of(fault.fault).name},
                      {"where", repaired_utf8(fault.where)},
                      {"what", repaired_utf8(fault.what)}});
  for (const auto& [fault, count] : report.sums) sums[std::string(kind_of(fault).name)] = count;
  const nlohmann::json all = {{"kind", report.kind},
                              {"errors", report.errors()},
                              {"warnings", report.warnings()},
                              {"sums", sums},
                              {"faults", faults}};
  write_file(out / "check.json", all.dump(1) + "\n");
  if (const auto grid = draw_report(report); grid.defined()) write_image(out / "check.png", grid);
}

int run(Words words) {
  const auto out = words.take("out");
  const auto kind = words.take("kind", "auto");
  const auto show = read_count("show", words.take("show", "10"));
  set_threads(read_count("threads", words.take("threads", "0")));
  auto path = words.take("data");
  if (path.empty() && words.plain.size() == 1) path = words.plain[0], words.plain.clear();
  if (path.empty()) fail_usage("say which data: hadal check data=PATH");
  if (!words.plain.empty()) fail_usage("check takes one data=PATH; what is \"{}\"?", words.plain[0]);
  Table table;
  for (const auto& [key, text] : words.settings) table.set(key.starts_with("data.") ? key.substr(5) : key, Word{text});
  table.set("path", path);
  SceneFilesConfig config;
  read_config(config, table, "data");
  SceneReport report;
  {
    Bar bar("pictures");
    report = check_scenes(kind, config, [&](int64_t done, int64_t of) { bar.show(done, of); });
  }
  fmt::print("{}", describe(report, show));
  if (!out.empty()) {
    write_results(report, out);
    fmt::print("written to {}\n", out);
  }
  return report.errors() > 0 ? 1 : 0;
}

}  // namespace

Verb check_verb() {
  return {"check", "check data=PATH [key=value ...]", "say what is wrong with a data set of objects in pictures", help,
          run};
}

}  // namespace hadal::cli
