#include <chrono>
#include <sstream>

#include <nlohmann/json.hpp>

#include "hadal/core/stop.h"
#include "hadal/io/file.h"
#include "hadal/train/run_folder.h"

#include "cli/bar.h"
#include "cli/verb.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Of a file that is named in `folder`: this, where it lies within.
void remove_named(const fs::path& folder, const nlohmann::json& name) {
  if (!name.is_string()) return;
  const auto path = fs::path(name.get<std::string>()).lexically_normal();
  if (path.empty() || path.is_absolute() || *path.begin() == "..") return;
  std::error_code ignored;
  fs::remove(folder / path, ignored);
  if (path.has_parent_path()) remove_if_empty(folder / path.parent_path());
}

/// What an earlier call wrote, by its own lines; what anybody else put beside it stays.
void remove_samples(const fs::path& folder) {
  const auto lines = folder / "generations.jsonl";
  if (!fs::exists(lines)) return;
  std::istringstream each(read_file(lines));
  for (std::string text; std::getline(each, text);) {
    const auto line = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || !line.contains("index")) continue;
    if (const auto file = line.value("file", nlohmann::json()); file.is_string()) {
      remove_named(folder, file);
      remove_named(folder, fs::path(file.get<std::string>()).replace_extension(".png").string());  // of a sound
    }
    for (const auto& file : line.value("of_all", nlohmann::json::array())) remove_named(folder, file);
  }
}

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

}  // namespace

int make_samples(Trained& trained, const Table& options, const std::string& out) {
  const auto folder = out.empty() ? fresh_folder("runs", "generate") : fs::path(out);
  const UnusedFolder unused{out.empty() ? folder : fs::path()};
  std::string lines;
  int64_t made = 0;
  double share = 0;
  const auto begin = Clock::now();
  stop_on_signals();
  {
    Bar bar("%");
    trained.generate({}, options, [&](const Piece& piece) {
      if (!piece.made) {
        share = piece.part;
      } else {
        if (made == 0) remove_samples(folder);
        for (const auto& file : piece.made->files) write_file(folder / file.ending, file.bytes());
        lines += piece.made->json.dump() + "\n";
        ++made;
      }
      bar.show(static_cast<int64_t>(100 * share), 100);
      return !stop_requested().load();
    });
  }
  const auto seconds = since(begin);
  if (made > 0) write_file(folder / "generations.jsonl", lines);
  fmt::print("{} sample{} in {}{}; {}{}\n", format_count(made), made == 1 ? "" : "s", format_duration(seconds),
             made > 0 ? fmt::format(", {:.3g} ms each", 1e3 * seconds / static_cast<double>(made)) : "",
             stop_requested() ? "stopped; " : "", made > 0 ? "written to " + folder.string() : "nothing was written");
  return stop_requested() ? kInterrupted : 0;
}

}  // namespace hadal::cli
