// COCO's scores of two files: seconds to read them and to score, the best of several runs. Driven by bench/coco.py.
//   hadal_coco TRUTH.json RESULTS.json {bbox | segm | keypoints} [RUNS]
#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "hadal/metrics/coco_files.h"

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  if (argc < 4) return fmt::print(stderr, "hadal_coco TRUTH.json RESULTS.json KIND [RUNS]\n"), 2;
  try {
    double read = INFINITY, score = INFINITY, whole = INFINITY, ap = 0;
    for (int i = 0; i < (argc > 4 ? std::atoi(argv[4]) : 3); ++i) {
      const auto begin = Clock::now();
      const auto files = hadal::read_coco_files(argv[1], argv[2], {.kind = hadal::coco_kind(argv[3])});
      const auto middle = Clock::now();
      ap = files.evaluation.scores().at("AP");
      read = std::min(read, std::chrono::duration<double>(middle - begin).count());
      score = std::min(score, since(middle)), whole = std::min(whole, since(begin));
    }
    fmt::print("{{\"read\": {:.4f}, \"score\": {:.4f}, \"whole\": {:.4f}, \"AP\": {:.12f}}}\n", read, score, whole, ap);
  } catch (const std::exception& error) {
    fmt::print(stderr, "hadal_coco: {}\n", error.what());
    return 1;
  }
}
