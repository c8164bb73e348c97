// TensorBoard event files: protocol buffers (tensorflow/core/util/event.proto) in TFRecord frames.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "hadal/metrics/metrics.h"

namespace hadal {

/// CRC-32C (Castagnoli), as TFRecord frames use it after masking.
uint32_t crc32c(std::string_view bytes);
/// A record as it lies in the file: length (8 bytes, little endian), masked CRC of these, the bytes, their masked CRC.
std::string tfrecord(std::string_view bytes);

/// Writes one event file of a run; TensorBoard reads it while it grows. Each call is one write to the file, so a run
/// that is killed loses nothing. Every function throws FileError when the disk refuses.
class TensorBoard {
 public:
  /// Makes a new file in `folder` whose name sorts after those that are there. `purge_step`, for a resumed run: what
  /// earlier files hold from this step on is void. `clock` gives seconds since 1970 (the system's unless given).
  explicit TensorBoard(const std::filesystem::path& folder, std::optional<int64_t> purge_step = std::nullopt,
                       std::function<double()> clock = {});
  ~TensorBoard();
  TensorBoard(const TensorBoard&) = delete;
  TensorBoard& operator=(const TensorBoard&) = delete;

  /// All values in one event; their names are the tags.
  void scalars(int64_t step, const Metrics& values);
  /// `png` is a whole PNG file of `channels` (1, 3 or 4) channels.
  void image(int64_t step, std::string_view tag, std::string_view png, int64_t height, int64_t width, int64_t channels);
  /// `wav` is a whole WAV file of `channels` channels, each of `samples` samples.
  void sound(int64_t step, std::string_view tag, std::string_view wav, int64_t rate, int64_t channels, int64_t samples);
  /// TensorBoard shows it as Markdown.
  void text(int64_t step, std::string_view tag, std::string_view markdown);
  /// The same for text that is to stay as it is, such as a config file.
  void verbatim(int64_t step, std::string_view tag, std::string_view text);

  const std::filesystem::path& file() const { return file_; }

 private:
  void write(std::string_view event);
  std::filesystem::path file_;
  std::function<double()> clock_;
  int descriptor_ = -1;
};

}  // namespace hadal
