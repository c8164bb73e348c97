// What tests share: errors by their text, golden tensors, real data where it is, folders of their own.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hadal/core/error.h"
#include "hadal/core/torch.h"

namespace hadal::test {

/// The statement throws hadal::Error whose text holds `text`.
#define EXPECT_ERROR(statement, text)                                                  \
  do {                                                                                 \
    try {                                                                              \
      (void)(statement);                                                               \
      ADD_FAILURE() << #statement " was accepted; expected an error with: " << (text); \
    } catch (const hadal::Error& error) {                                              \
      EXPECT_THAT(std::string(error.what()), testing::HasSubstr(text));                \
    }                                                                                  \
  } while (false)

/// The repository's root.
inline std::filesystem::path source() {
  const char* root = std::getenv("HADAL_SOURCE");
  return root ? root : std::filesystem::current_path();
}

/// A file of tests/golden/.
inline std::string golden(const std::string& name) { return (source() / "tests/golden" / name).string(); }

/// HADAL_DATA, or ../shared/data beside the repository.
inline std::filesystem::path data_folder() {
  const char* folder = std::getenv("HADAL_DATA");
  return folder ? std::filesystem::path(folder) : source().parent_path() / "shared/data";
}

/// Skips the test, saying so, where the real data is missing.
#define NEEDS_DATA(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs " << (path) << "; HADAL_DATA names its folder"

/// A fresh folder that goes when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    auto pattern = (std::filesystem::temp_directory_path() / "hadal-test-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw Error("cannot make a temporary folder");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// max |a - b| / max |b|: how far a result is from its reference, relative to the reference's size.
inline double relative_error(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  if (a.numel() == 0) return 0;
  const auto x = a.detach().to(torch::kFloat64), y = b.detach().to(torch::kFloat64);
  return ((x - y).abs().max() / y.abs().max().clamp_min(1e-30)).item<double>();
}

}  // namespace hadal::test
