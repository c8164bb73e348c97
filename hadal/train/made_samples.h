// Samples of a generative model as class folders, and those of them that a classifier takes for what they should be.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace hadal {

/// Throws UsageError unless `run` makes samples of `classes`, of all or of some of them, and `judge` (empty: there is
/// none) tells these apart: sounds both, or else pictures.
void check_samples_of(const std::filesystem::path& run, const std::filesystem::path& judge, bool sounds,
                      const std::vector<std::string>& classes);

/// Writes `count` samples of `run`, all classes in turn, into `out`/CLASS/. The number written: fewer where it was
/// asked to stop. Throws UsageError for what makes no samples of classes.
int64_t make_class_folders(const std::filesystem::path& run, const std::filesystem::path& out, int64_t count,
                           int64_t seed);

/// Copies from `all` to `out` what `judge`, a classifier's run, takes for the class whose folder it lies in, at least
/// with this probability. The number copied.
int64_t keep_sure_samples(const std::filesystem::path& judge, const std::filesystem::path& all,
                          const std::filesystem::path& out, double confidence);

/// `given`, or the judge that `run` was scored by. Throws UsageError where there is neither.
std::string judge_of(const std::string& run, const std::string& given);

}  // namespace hadal
