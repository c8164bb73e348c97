#include <chrono>

#include "hadal/core/stop.h"
#include "hadal/io/file.h"
#include "hadal/train/run_folder.h"

#include "cli/bar.h"
#include "cli/verb.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

}  // namespace

int make_samples(Trained& trained, const std::string& out) {
  const auto folder = out.empty() ? fresh_folder("runs", "generate") : fs::path(out);
  const UnusedFolder unused{out.empty() ? folder : fs::path()};
  std::string lines;
  int64_t made = 0;
  double share = 0;
  const auto begin = Clock::now();
  stop_on_signals();
  {
    Bar bar("%");
    trained.generate({}, {}, [&](const Piece& piece) {
      if (!piece.made) {
        share = piece.part;
      } else {
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
