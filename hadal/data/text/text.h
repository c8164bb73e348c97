// Plain text to learn from: files by split, and the windows that a model reads.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/core/random.h"
#include "hadal/core/torch.h"

namespace hadal {

struct TextConfig {
  std::string path;
  double val = 0.1;
  static Fields<TextConfig> fields();
  void validate() const;
};

/// A text file without a byte order mark. Throws FileError where it is empty or not UTF-8.
std::string read_plain_text(const std::filesystem::path& path);
/// The same for bytes in memory.
std::string plain_text(std::string text, const std::string& name);

/// A text whose splits are read when they are asked for.
struct TextSource {
  std::vector<std::string> splits;  // of train, val, test
  std::function<std::string(const std::string& split)> open;
};

/// A file: its last share `val` is the split val, the rest train; with val = 0 every split is the whole file. A folder:
/// train.txt, val.txt and test.txt (or .txt.gz), as many as there are, and without val.txt the last share of train.txt.
/// Throws FileError for an empty file and for bytes that are not UTF-8.
TextSource open_text(const TextConfig& config);

using TextCatalog = Catalog<TextSource>;
const TextCatalog& text_sources();

/// A row of ids and the windows of `length` tokens in it, each with the token behind it: a window is length + 1 ids.
class TokenWindows {
 public:
  TokenWindows(const std::vector<int64_t>& ids, int64_t length);
  /// Windows side by side, the last one shorter: every token but the first is once the one to be told.
  int64_t count() const { return (tokens() - 1 + length_ - 1) / length_; }
  int64_t tokens() const { return ids_.size(0); }
  int64_t length() const { return length_; }
  /// Window `index` of those; (at most length + 1) int64.
  Tensor strided(int64_t index) const;
  /// A window that begins anywhere; (length + 1) int64. The text must hold one.
  Tensor random(Random& random) const;

  double text_share = 1;  // bytes of the text for each that decoding gives: tokenizers may lose some, or add some

 private:
  Tensor ids_;  // int32: half the memory of int64
  int64_t length_;
};

}  // namespace hadal
